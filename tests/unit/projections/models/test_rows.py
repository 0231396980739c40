"""What the tables hold after each event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from projections.models.rows import RECEIVED, rows
from projections.rows import Change, Drop, Put
from schemas.base import Envelope
from schemas.ids import new_id, number_of
from schemas.models.messages import (
    Conversion,
    Events,
    ModelCheckStarted,
    ModelFailed,
    ModelFile,
    ModelFileReplaced,
    ModelQueued,
    ModelReady,
    ModelRemoved,
    ModelUploaded,
    PipelinesSet,
)

ID = new_id()
META = Envelope(id="e", stream=ID, version=3, organisation="acme", time=datetime(2026, 11, 21, tzinfo=UTC))
FILE = ModelFile(id="f1", key="k", digest="aa", size=3, media_type="application/x-onnx; source=original")
CHIP = ModelFile(id="f2", key="k", digest="bb", size=3, media_type="application/x-onnx; device=hailo", target="hailo")
MADE = ModelFile(id="f3", key="k", digest="cc", size=2, media_type="application/x-onnx")


def told(event: Events) -> dict[str, list[Any]]:
    """The rows by table."""
    found: dict[str, list[Any]] = {}
    for row in rows(event, META):
        found.setdefault(row.table, []).append(row)
    return found


def test_an_upload_is_a_model_and_its_file() -> None:
    found = told(ModelUploaded(name="people", named_input=[], named_output=[], targets=("cpu",), file=FILE))
    (model,), (file,) = found["models"], found["artefacts"]
    assert (model.key, model.values["number"], model.values["targets"]) == ({"id": ID}, number_of(ID), ["cpu"])
    assert file.key == {"model": ID, "media_type": FILE.media_type}


def test_what_a_file_was_made_from_stands_beside_it_until_another_comes() -> None:
    source = msgspec.structs.replace(FILE, media_type="application/zip; source=original")
    found = told(ModelUploaded(name="pets", named_input=[], named_output=[], file=FILE, sources=(source,)))
    assert [row.key["media_type"] for row in found["artefacts"]] == [FILE.media_type, source.media_type]
    assert "sources" not in found["models"][0].values
    replaced = ModelFileReplaced(named_input=[], named_output=[], file=FILE, revision=2)
    dropped = {row.key["media_type"] for row in rows(replaced, META) if isinstance(row, Drop)}
    assert dropped == set(RECEIVED) - {FILE.media_type}


def test_waiting_and_checking_show_on_every_target() -> None:
    found = told(ModelQueued(file=FILE, targets=("cpu", "intel")))
    assert found["models"][0].values["status"] == "queued"
    assert [row.values["status"] for row in found["conversions"]] == ["queued", "queued"]
    found = told(ModelCheckStarted(lease="l", worker="w", until=META.time, targets=("cpu",)))
    assert isinstance(found["conversions"][0], Put)
    assert "file" not in found["conversions"][0].values


def test_ready_and_its_artefacts_are_one_event() -> None:
    found = told(ModelReady(artefacts=(MADE,), conversions=(Conversion(target="cpu", status="ok", file="f3"),)))
    assert found["models"][0].values["status"] == "ok"
    assert found["artefacts"][0].values["digest"] == "cc"
    assert found["conversions"][0].values["file"] == "f3"


def test_a_failure_has_a_reason_and_leaves_files_alone() -> None:
    found = told(ModelFailed(message="opset 99", conversions=(Conversion(target="cpu", status="error"),)))
    assert found["models"][0].values["status_message"] == "opset 99"
    assert set(found) == {"models", "conversions"}
    assert "file" not in found["conversions"][0].values


def test_a_file_for_a_chip_changes_neither_tensors_nor_the_original() -> None:
    found = told(ModelFileReplaced(named_input=[], named_output=[], file=CHIP, revision=2))
    assert set(found) == {"models"}
    assert "named_input" not in found["models"][0].values


def test_a_removed_model_is_marked() -> None:
    (row,) = told(ModelRemoved())["models"]
    assert isinstance(row, Change)
    assert row.values["removed_at"] == META.time


def test_what_a_device_runs_is_one_row() -> None:
    (row,) = told(PipelinesSet(device="d1", pipelines=[{"model": ID}], models=(ID,)))["pipelines"]
    assert (row.key, row.values["models"]) == ({"device": "d1"}, [ID])
