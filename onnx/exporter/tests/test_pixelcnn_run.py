"""PixelCNN++ through the whole machinery: training, resume, export, card."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from undetected_exporter import card, data, evaluate, export, train
from undetected_exporter.contract import Parity, read_metadata
from undetected_exporter.errors import ExporterError
from undetected_exporter.glow import Glow, GlowConfig
from undetected_exporter.models import build, config_of
from undetected_exporter.noise import generator
from undetected_exporter.pixelcnn import PixelCnn, PixelCnnConfig

SETTINGS = train.Settings(
    "tiny-pixelcnn", "mnist", "reweight", epochs=2, seed=5, held_out=36, limit=100, warmup_steps=2, alpha=1000.0
)
DROPPING = train.Preset(PixelCnnConfig(blocks=(1,), widths=(4,), dropout=0.5), 32, 3e-3, 4)
ALLOWED = {
    *("Abs", "Add", "Clip", "Concat", "Conv", "Div", "Elu", "Exp", "Floor", "Log", "Mul", "Neg", "Pad", "ReduceMean"),
    *("ReduceSum", "Relu", "Reshape", "Sigmoid", "Sign", "Slice", "Split", "Sub", "Tanh", "Transpose", "Unsqueeze"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits):
    folder = tmp_path_factory.mktemp("run")
    train.train(SETTINGS, *digits, folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    return export.load_run(folder)


@pytest.fixture(scope="module")
def exported(trained, digits):
    model, worst = export.export(trained, "tiny-pixelcnn", digits[0])
    assert worst <= 1e-4
    return model


def test_an_interrupted_run_with_dropout_ends_as_one_without_interruption(tmp_path, digits, monkeypatch):
    """The dropped values come from the epoch, not from what was drawn before."""
    monkeypatch.setitem(train.PRESETS, "tiny-pixelcnn", DROPPING)
    whole = train.train(SETTINGS, *digits, tmp_path / "whole", quiet=True)
    train.train(dataclasses.replace(SETTINGS, epochs=1, decay_from=1.0), *digits, tmp_path / "cut", quiet=True)
    state = train.read_checkpoint(tmp_path / "cut")
    torch.save(state | {"settings": vars(SETTINGS)}, tmp_path / "cut" / train.CHECKPOINT)
    torch.rand(17)
    resumed = train.train(SETTINGS, *digits, tmp_path / "cut", quiet=True)
    for mine, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [("prior", "laplace", "--prior"), ("objective", "split", "--objective split"), ("smoothing", 0.1, "--smoothing")],
)
def test_what_only_a_flow_has_is_refused(field, value, named, tmp_path):
    with pytest.raises(ExporterError, match=f"{named} needs a GLOW"):
        train.Run(dataclasses.replace(SETTINGS, **{field: value}), tmp_path)


def test_a_model_comes_back_from_its_state_as_what_it_was(trained):
    assert isinstance(trained.model, PixelCnn) and trained.model.config == train.PRESETS["tiny-pixelcnn"].config
    assert isinstance(build(config_of(GlowConfig().as_dict())), Glow)


def test_settings_that_came_later_do_not_stop_an_older_run(tmp_path):
    settings = dataclasses.replace(SETTINGS, alpha=1.0)
    run = train.Run(settings, tmp_path)
    run.save()
    state = train.read_checkpoint(tmp_path)
    del state["settings"]["alpha"]
    torch.save(state, tmp_path / train.CHECKPOINT)
    assert train.Run(settings, tmp_path).resume()


@pytest.mark.parametrize("n", [1, 3, 64])
def test_onnx_runtime_agrees_with_pytorch_at_any_batch_size(trained, exported, n):
    x = torch.rand(n, 1, 28, 28)
    found = export.run(export.session(exported), x.numpy())
    expected = export.reference(trained.model, x)
    assert found["log_prob"].shape == (n, 10) and found["log_prob_shared"].shape == (n,)
    np.testing.assert_allclose(found["log_prob"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["log_prob_shared"][:, None] + found["log_prob_class"], expected, rtol=1e-4)


def test_class_margins_are_finer_than_the_total_allows(trained, exported):
    x = torch.rand(32, 1, 28, 28)
    found = export.run(export.session(exported), x.numpy())["log_prob_class"]
    exact = export.reference(trained.model, x)
    margins = np.abs((found - found[:, :1]) - (exact - exact[:, :1]))
    assert margins.max() < 1e-4 * max(1.0, np.abs(exact - exact[:, :1]).max())


def test_the_exported_log_probability_is_the_same_anywhere_in_the_bins_and_finite_at_the_ends(exported, digits):
    engine = export.session(exported)
    level = digits[0][:8, None].astype(np.float32)
    u = np.random.default_rng(0).integers(0, 2**16, level.shape).astype(np.float32) / 2**16
    low, drawn, none = (export.run(engine, x)["log_prob"] for x in (level / 256, (level + u) / 256, level / 255))
    np.testing.assert_array_equal(low, drawn)
    np.testing.assert_array_equal(low, none)
    ends = np.stack([np.zeros_like(level[0]), np.ones_like(level[0])])
    assert np.isfinite(export.run(engine, ends)["log_prob"]).all()


def test_a_colour_model_is_exported_too():
    torch.manual_seed(0)
    model = PixelCnn(PixelCnnConfig(channels=3, side=8, classes=3, blocks=(1, 1), widths=(4, 5)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.rand(3, 3, 8, 8)
    found = export.run(export.session(export.to_onnx(model)), x.numpy())["log_prob"]
    np.testing.assert_allclose(found, export.reference(model, x), rtol=1e-4)


def test_the_signature_has_no_noise_and_plain_operators_only(exported):
    assert [port.name for port in exported.graph.input] == ["x"]
    assert {node.op_type for node in exported.graph.node} <= ALLOWED and not exported.functions
    assert sum(node.op_type == "Floor" for node in exported.graph.node) == 1


def test_metadata_declare_a_density_under_uniform_noise(exported):
    found = read_metadata(exported)
    training, parity = json.loads(found.pop("training")), Parity.decode(found.pop("parity"), (1, 28, 28), None)
    assert found["dequantisation"] == "uniform" and found["n_dims"] == "784" and found["pad"] == "0"
    assert found["objective"] == "-log p(x|y)/D - 1000 log p(y|x)" and training["alpha"] == 1000.0
    assert training["likelihood"].startswith("log P of the 8-bit image + D log 256")
    assert parity.noise is None and export.check(exported, parity) <= 1e-4


def test_bits_per_dim_are_the_code_length(trained, digits):
    """The evaluation's figure, with noise, against -log2 P of the 8-bit images, without."""
    images, labels = data.pad_to(digits[0][:20], 28), digits[1][:20]
    model = trained.model.eval()
    scores = evaluate.score(evaluate.of_model(model), images, labels, generator(0, "test"))
    with torch.no_grad():
        masses = model.log_masses(torch.from_numpy(images).float()).sum((2, 3, 4)).double().numpy()
    expected = -masses[np.arange(20), labels] / np.log(2.0) / 784
    np.testing.assert_allclose(evaluate.bits_per_dim(scores.log_own_class, 784), expected, rtol=1e-5)


def test_the_card_is_a_pixelcnns(exported, digits, tmp_path, monkeypatch):
    path, out = tmp_path / "tiny.onnx", tmp_path / "tiny.md"
    export.save(exported, path)
    monkeypatch.setattr(data, "load", lambda *_: (digits[0][:40], digits[1][:40]))
    card.write(path, tmp_path, out)
    text = " ".join(out.read_text().split())
    assert "A class-conditional PixelCNN++ of MNIST" in text and "--alpha 1000.0" in text
    assert "GLOW" not in text and "padding noise" not in text and "None" not in text
    assert "code length" in text and "| 1 | 28x28 | 1 | 2 | 4 |" in text


def test_a_run_killed_inside_an_epoch_drops_the_same_values_when_it_goes_on(tmp_path, digits, monkeypatch):
    monkeypatch.setitem(train.PRESETS, "tiny-pixelcnn", DROPPING)
    monkeypatch.setattr(train, "SAVE_SECONDS", 0.0)
    settings = dataclasses.replace(SETTINGS, epochs=1, limit=132)
    whole = train.train(settings, *digits, tmp_path / "whole", quiet=True)
    step, steps = train.Run.step, []

    def fatal(*arguments):
        steps.append(None)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return step(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train.Run, "step", fatal)
        train.train(settings, *digits, tmp_path / "cut", quiet=True)
    assert len(train.read_checkpoint(tmp_path / "cut")["position"]["losses"]) == 2
    torch.rand(17)
    resumed = train.train(settings, *digits, tmp_path / "cut", quiet=True)
    for mine, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
