"""The metadata helper, on a model that this package did not make."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from undetected_exporter.contract import Parity, random_nodes, read_metadata, write_metadata
from undetected_exporter.errors import ExporterError


def foreign(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 4, 5])
    y = helper.make_tensor_value_info("log_prob", TensorProto.FLOAT, ["N", 60])
    nodes = nodes or (helper.make_node("Flatten", ["x"], ["log_prob"]),)
    return helper.make_model(helper.make_graph(nodes, "foreign", [x], [y]))


def test_what_is_written_is_what_the_contract_lists():
    model = foreign()
    helper.set_model_props(model, {"author": "someone", "undetected.pad": "9"})
    write_metadata(model, name="m", classes=["a", "b"], prior=[0.25, 0.75], training={"epochs": 3}, pad=1)
    found = read_metadata(model)
    assert found.pop("training") == '{"epochs": 3}'
    assert json.loads(found.pop("classes")) == ["a", "b"] and json.loads(found.pop("prior")) == [0.25, 0.75]
    assert found == {
        "contract": "1",
        "name": "m",
        "pixel_range": "0,1",
        "n_dims": "60",
        "dataset": "unknown",
        "pad": "1",
        "dequantisation": "uniform",
        "objective": "unknown",
    }
    assert any(entry.key == "author" for entry in model.metadata_props)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"pixel_range": (1.0, 0.0)}, "pixel_range"),
        ({"pixel_range": (float("nan"), 1.0)}, "pixel_range"),
        ({"classes": ["a", "a"]}, "classes"),
        ({"prior": [0.5, 0.6]}, "prior"),
        ({"prior": [float("nan"), 0.5]}, "prior"),
        ({"prior": [-0.5, 1.5]}, "prior"),
        ({"prior": "flat"}, "prior"),
        ({"dequantisation": "gauss"}, "dequantisation"),
        ({"pad": -1}, "pad"),
        ({"n_dims": 0}, "n_dims"),
    ],
)
def test_what_the_contract_rules_out_is_refused_by_name(wrong, named):
    with pytest.raises(ExporterError, match=named):
        write_metadata(foreign(), **{"name": "m", "classes": ["a", "b"], **wrong})


def test_parity_vectors_survive_and_notice_a_wrong_value():
    parity = Parity(
        np.random.default_rng(0).random((2, 3, 4, 5), np.float32), None, np.array([[-7500.0, 0.5], [1.0, 2.0]])
    )
    again = Parity.decode(parity.encode(), (3, 4, 5), None)
    assert np.array_equal(again.x, parity.x) and np.array_equal(again.log_prob, parity.log_prob) and again.noise is None
    assert again.worst(parity.log_prob + np.array([[0.75, 0.0], [0.0, 0.0]])) == pytest.approx(1e-4)
    assert again.worst(parity.log_prob + np.array([[0.0, 0.1], [0.0, 0.0]])) == pytest.approx(0.1)
    assert again.worst(parity.log_prob * float("nan")) == float("inf")


def test_random_operators_are_found_in_the_graph_and_in_subgraphs():
    inner = helper.make_graph([helper.make_node("RandomNormal", [], ["r"], shape=[1], name="hidden")], "then", [], [])
    branch = helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=helper.make_graph([], "else", [], []))
    loud = helper.make_node("RandomUniformLike", ["x"], ["u"], name="loud")
    assert random_nodes(foreign()) == []
    assert random_nodes(foreign(branch, loud)) == ["hidden", "loud"]
