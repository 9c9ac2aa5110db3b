"""A model trained for a few steps: its ONNX file says what PyTorch says."""

import json

import numpy as np
import onnx
import pytest
import torch

from undetected_exporter import data, export, train
from undetected_exporter.contract import Parity, read_metadata, write_metadata
from undetected_exporter.errors import ExporterError

ALLOWED = {
    *("Abs", "Add", "Concat", "Conv", "Exp", "Log", "MatMul", "Mul", "Neg", "ReduceSum", "Relu", "Reshape"),
    *("Split", "Sub", "Transpose", "Unsqueeze"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits):
    settings = train.Settings("tiny", "mnist", "reweight", epochs=1, seed=3, held_out=100, warmup_steps=1)
    folder = tmp_path_factory.mktemp("run")
    train.train(settings, *digits, folder, quiet=True)
    return export.load_run(folder)


@pytest.fixture(scope="module")
def exported(trained, digits):
    model, worst = export.export(trained, "tiny-model", digits[0])
    assert worst <= 1e-4
    return model


@pytest.mark.parametrize(
    ("dataset", "prior", "smoothing"),
    [("mnist", "split", 0.0), ("cifar10-jpeg75", "split-logits", 0.0), ("mnist", "gaussian-cauchy", 0.05)],
)
def test_every_variant_is_exported_and_agrees(tmp_path, digits, dataset, prior, smoothing):
    """Three channels as well; single images of CIFAR-10 never travel in the file."""
    images, labels = digits
    if dataset != "mnist":
        images = np.random.default_rng(0).integers(0, 256, (500, 3, 32, 32), np.uint8)
    settings = train.Settings(
        "tiny", dataset, "reweight", epochs=1, seed=3, held_out=300, warmup_steps=1, prior=prior, smoothing=smoothing
    )
    train.train(settings, images, labels, tmp_path, quiet=True)
    model, worst = export.export(export.load_run(tmp_path), "variant", images)
    assert worst <= 1e-4
    assert {node.op_type for node in model.graph.node} <= ALLOWED | {"ReduceMax", "ReduceMean", "Div", "Gemm"}
    parity = Parity.decode(read_metadata(model)["parity"], images.shape[1:] if images.ndim == 4 else (1, 32, 32), None)
    pixels = np.floor(parity.x * 256).astype(np.uint8)
    held = data.pad_to(images, 32)
    assert np.array_equal(pixels, held[:4]) == (dataset == "mnist")


@pytest.mark.parametrize("n", [1, 3, 64])
def test_onnx_runtime_agrees_with_pytorch_at_any_batch_size(trained, exported, n):
    x, noise = torch.rand(2, n, 1, 32, 32)
    found = export.run(export.session(exported), x.numpy(), noise.numpy())
    expected = export.reference(trained.model, x, noise)
    assert found["log_prob"].shape == (n, 10) and found["log_prob_shared"].shape == (n,)
    np.testing.assert_allclose(found["log_prob"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["log_prob_shared"][:, None] + found["log_prob_class"], expected, rtol=1e-4)


def test_class_margins_are_finer_than_the_total_allows(trained, exported):
    x, noise = torch.rand(2, 32, 1, 32, 32)
    found = export.run(export.session(exported), x.numpy(), noise.numpy())["log_prob_class"]
    exact = export.reference(trained.model, x, noise)
    margins = np.abs((found - found[:, :1]) - (exact - exact[:, :1]))
    assert margins.max() < 1e-4 * max(1.0, np.abs(exact - exact[:, :1]).max())


def test_the_noise_input_matters(exported):
    x, noise = np.random.default_rng(0).random((2, 1, 1, 32, 32), np.float32)
    engine = export.session(exported)
    same = [export.run(engine, x, noise)["log_prob"] for _ in range(2)]
    assert np.array_equal(*same)
    assert not np.allclose(same[0], export.run(engine, x, noise[:, :, ::-1].copy())["log_prob"])


def test_the_signature_is_the_contracts(exported):
    def shape(value):
        return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]

    assert {i.name: shape(i) for i in exported.graph.input} == {"x": ["N", 1, 32, 32], "noise": ["N", 1, 32, 32]}
    expected = {"log_prob": ["N", 10], "log_prob_shared": ["N"], "log_prob_class": ["N", 10]}
    assert {o.name: shape(o) for o in exported.graph.output} == expected
    assert exported.ir_version <= 10 and [o.version for o in exported.opset_import if not o.domain] == [18]
    assert all(not initializer.external_data for initializer in exported.graph.initializer)


def test_only_plain_operators_are_used(exported):
    assert {node.op_type for node in exported.graph.node} <= ALLOWED
    assert not exported.functions


def test_the_file_tells_nothing_about_the_machine(exported):
    content = exported.SerializeToString()
    assert b"site-packages" not in content and b".py" not in content and b"/" + b"home" not in content


def test_metadata_are_complete(trained, exported, digits):
    found = read_metadata(exported)
    training, parity = json.loads(found.pop("training")), found.pop("parity")
    assert found == {
        "contract": "1",
        "name": "tiny-model",
        "pixel_range": "0,1",
        "n_dims": "1024",
        "classes": json.dumps(list("0123456789")),
        "prior": "uniform",
        "dataset": "MNIST",
        "pad": "2",
        "dequantisation": "uniform",
        "objective": "-log p(x|y)/D - log p(y|x)",
    }
    assert training["epochs"] == 1 and training["seed"] == 3 and training["preset"] == "tiny"
    parity = Parity.decode(parity, (1, 32, 32), (1, 32, 32))
    assert len(parity.x) == 4 and parity.log_prob.shape == (4, 10)
    assert np.array_equal(np.floor(parity.x[:, 0, 2:-2, 2:-2] * 256), digits[0][:4])
    assert export.check(exported, parity) <= 1e-4


def test_a_wrong_weight_or_a_wrong_value_fails_the_export(exported, digits):
    parity = Parity.decode(read_metadata(exported)["parity"], (1, 32, 32), (1, 32, 32))
    damaged = onnx.ModelProto.FromString(exported.SerializeToString())
    weight = next(w for w in damaged.graph.initializer if w.name.endswith("enter.weight"))
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * 1.5, weight.name))
    with pytest.raises(ExporterError, match="differs from PyTorch"):
        export.check(damaged, parity)
    with pytest.raises(ExporterError, match="differs from PyTorch"):
        export.check(exported, Parity(parity.x, parity.noise, parity.log_prob * 1.001))


def test_a_random_node_fails_the_export(exported):
    parity = Parity.decode(read_metadata(exported)["parity"], (1, 32, 32), (1, 32, 32))
    random = onnx.ModelProto.FromString(exported.SerializeToString())
    random.graph.node.append(onnx.helper.make_node("RandomNormal", [], ["unused"], shape=[1], name="dice"))
    with pytest.raises(ExporterError, match="dice"):
        export.check(random, parity)


def test_a_run_without_a_finished_epoch_is_not_exported(tmp_path):
    train.Run(train.Settings("tiny", "mnist", "base", epochs=1, seed=0), tmp_path).save()
    with pytest.raises(ExporterError, match="no epoch is finished"):
        export.load_run(tmp_path)


def test_writing_metadata_twice_leaves_one_value(exported):
    again = onnx.ModelProto.FromString(exported.SerializeToString())
    write_metadata(again, name="other", classes=["a", "b"])
    assert sum(entry.key == "undetected.name" for entry in again.metadata_props) == 1
    assert "parity" not in read_metadata(again)
