"""Uploaded models are judged in a child process; a bad file gives a named error."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from inference.check import Checked, CheckLimits, Rejected, check_model, verdict
from inference.inspection import Refused, inspect

Make = Callable[..., onnx.ModelProto]
LIMITS = CheckLimits(threads=1)


def judged(model: onnx.ModelProto, folder: Path, limits: CheckLimits = LIMITS) -> Checked | str:
    """The verdict without the child process: the code of a refusal."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    try:
        return inspect(path, limits)
    except Refused as refused:
        return refused.code


def test_a_good_model_in_the_child(boxes_model: Make, tmp_path: Path) -> None:
    model = boxes_model()
    helper.set_model_props(model, {"author": "me"})
    model.graph.doc_string = '{"means": [0.5, 0.5, 0.5], "vars": [0.5, 0.5, 0.5]}'
    path = tmp_path / "good.onnx"
    path.write_bytes(model.SerializeToString())
    found = check_model(path, LIMITS)
    assert isinstance(found, Checked)
    assert (found.head, found.family, found.labels) == ("nx_bboxes", "objects", ["person", "bike"])
    assert found.inputs == [{"name": "image-", "dtype": "float32", "shape": [1, 3, 32, 32]}]
    assert (found.opset, found.ir_version, found.nodes, found.chip) == (17, 8, 3, None)
    assert (found.means, found.metadata) == ([0.5, 0.5, 0.5], {"author": "me"})
    assert found.warm_up_seconds is not None


def test_garbage_in_the_child(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"\x08\x07garbage" * 50)
    found = check_model(path, LIMITS)
    assert isinstance(found, Rejected)
    assert found.code == "not_onnx"


def test_a_hungry_model_ends_its_child_only(tmp_path: Path) -> None:
    path = tmp_path / "hungry.onnx"
    path.write_bytes(hungry().SerializeToString())
    found = check_model(path, replace(LIMITS, memory=2 * 1024**3))
    assert isinstance(found, Rejected)
    assert found.code in ("memory_limit", "warm_up_failed")


def test_a_slow_model_runs_out_of_time(tmp_path: Path) -> None:
    path = tmp_path / "slow.onnx"
    path.write_bytes(endless().SerializeToString())
    found = check_model(path, replace(LIMITS, wall_seconds=2.0))
    assert found == Rejected("time_limit", "not done after 2 s")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"opset": 6}, "opset_unsupported"),
        ({"opset": 22}, "opset_unsupported"),
        ({"shape": ("n", 3, 32, 32)}, "bad_input"),
        ({"shape": (1, 4, 32, 32)}, "bad_input"),
        ({"output": "bboxes-0:person"}, "bad_output"),
        ({"output": "bboxes-format:xyxysc;0:person;2:bike"}, "bad_labels"),
        ({"output": "bboxes-format:xyxysc;0:per:son"}, "bad_labels"),
        ({"output": "bboxes-format:xyxysc;person"}, "bad_labels"),
        ({"output": "bboxes-format:xyxysc;x:person"}, "bad_labels"),
        ({"rows": [[1.0] * 5]}, "bad_output"),
    ],
)
def test_rules(boxes_model: Make, tmp_path: Path, change: dict[str, object], code: str) -> None:
    assert judged(boxes_model(**change), tmp_path) == code


def test_free_shapes_may_be_allowed(boxes_model: Make, tmp_path: Path) -> None:
    free = boxes_model(shape=("n", 3, 32, 32))
    assert isinstance(judged(free, tmp_path, replace(LIMITS, static_inputs=False)), Checked)


def test_external_data_is_refused(boxes_model: Make, tmp_path: Path) -> None:
    model = boxes_model()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")
    assert judged(model, tmp_path) == "external_data"


def test_foreign_operators_pass_only_for_a_chip(boxes_model: Make, tmp_path: Path) -> None:
    model = boxes_model()
    model.graph.node[0].domain = "com.hailo"
    model.opset_import.append(helper.make_opsetid("com.hailo", 1))
    assert judged(model, tmp_path) == "custom_operators"
    helper.set_model_props(model, {"chip": "hailo8"})
    found = judged(model, tmp_path)
    assert isinstance(found, Checked)
    assert (found.chip, found.warm_up_seconds) == ("hailo", None)
    helper.set_model_props(model, {"chip": "abacus"})
    assert judged(model, tmp_path) == "unknown_chip"


def test_sizes_and_doc_strings(boxes_model: Make, tmp_path: Path) -> None:
    model = boxes_model()
    assert judged(model, tmp_path, replace(LIMITS, nodes=2)) == "too_many_nodes"
    model.graph.doc_string = '{"means": [1], "vars": [2]}'
    assert judged(model, tmp_path) == "bad_normalisation"
    large = check_model(tmp_path / "model.onnx", replace(LIMITS, file_bytes=10))
    assert isinstance(large, Rejected)
    assert large.code == "model_too_large"


def test_an_unknown_output_is_a_warning(boxes_model: Make, tmp_path: Path) -> None:
    found = judged(boxes_model(output="landmarks", rows=[[1.0] * 5] * 3), tmp_path)
    assert isinstance(found, Checked)
    assert found.head is None
    assert found.warnings == ["no recognised output: needs an external postprocessor"]


@pytest.mark.parametrize(
    ("status", "complaint", "code"),
    [
        (-11, b"", "crashed"),
        (-9, b"", "time_limit"),
        (-24, b"", "time_limit"),
        (1, b"MemoryError", "memory_limit"),
        (-6, b"terminate called after throwing an instance of 'std::bad_alloc'", "memory_limit"),
    ],
)
def test_how_a_child_may_end(status: int, complaint: bytes, code: str) -> None:
    found = verdict(status, b"", complaint)
    assert isinstance(found, Rejected)
    assert found.code == code
    assert verdict(0, json.dumps({"rejected": {"code": "not_onnx", "message": "x"}}).encode(), b"") == Rejected(
        "not_onnx", "x"
    )


def hungry() -> onnx.ModelProto:
    """A few bytes that ask for 16 GB when run."""
    given = helper.make_tensor_value_info("image-", TensorProto.FLOAT, [1, 3, 32, 32])
    taken = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1, 3, 35_000, 40_000])
    node = helper.make_node("Expand", ["most", "sizes"], ["out"])
    first = helper.make_node("ReduceMax", ["image-"], ["most"], keepdims=1)
    graph = helper.make_graph([first, node], "hungry", [given], [taken], [sizes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def endless() -> onnx.ModelProto:
    """A loop of 2^62 turns."""
    given = helper.make_tensor_value_info("image-", TensorProto.FLOAT, [1, 3, 32, 32])
    taken = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    body = helper.make_graph(
        [
            helper.make_node("Sin", ["state"], ["next"]),
            helper.make_node("Identity", ["going"], ["still"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    turns = helper.make_tensor("turns", TensorProto.INT64, [], [2**62])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    loop = helper.make_node("Loop", ["turns", "yes", "image-"], ["out"], body=body)
    graph = helper.make_graph([loop], "endless", [given], [taken], [turns, yes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
