"""What a checked file comes to for each target, and that its simplified form says the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from inference.check import Checked, CheckLimits, check_model
from inference.conversions import converted
from inference.optimise import optimised
from schemas.models.messages import ModelFile

PLAIN = ModelFile(id="f", key="k", digest="d", size=1, media_type="application/x-onnx")
CHIP = ModelFile(id="f", key="k", digest="d", size=1, media_type="application/x-onnx; device=hailo", target="hailo")


@pytest.mark.parametrize(
    ("target", "made", "status"),
    [
        ("cpu", PLAIN, "ok"),
        ("nvidia", PLAIN, "ok"),
        ("hailo", PLAIN, "error"),
        ("hailo", CHIP, "ok"),
        ("cpu", CHIP, "error"),
    ],
)
def test_a_target_is_served_by_the_file_it_needs(target: str, made: ModelFile, status: str) -> None:
    said = converted(target, made)
    assert (said.status, said.file) == (status, "f" if status == "ok" else None)


def test_the_simplified_model_says_the_same(tmp_path: Path, boxes_model: Callable[..., onnx.ModelProto]) -> None:
    source, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    source.write_bytes(boxes_model().SerializeToString())
    found = check_model(source)
    assert isinstance(found, Checked)
    assert optimised(source, target, found, CheckLimits())
    assert onnx.load(str(target)).graph.output[0].name == "bboxes-format:xyxysc;0:person;1:bike"


def test_what_cannot_be_simplified_is_left(tmp_path: Path, boxes_model: Callable[..., onnx.ModelProto]) -> None:
    source = tmp_path / "in.onnx"
    source.write_bytes(boxes_model().SerializeToString())
    found = check_model(source)
    assert isinstance(found, Checked)
    assert not optimised(source, tmp_path / "no" / "folder.onnx", found, CheckLimits())
