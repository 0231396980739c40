"""What the tables of trainings and exports hold after each event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from projections.models.rows import rows
from projections.rows import Put
from schemas.base import Envelope
from schemas.ids import new_id, number_of
from schemas.models.messages import (
    Events,
    ModelExported,
    ModelExportRequested,
    ModelFile,
    TrainingAdvanced,
    TrainingCancelled,
    TrainingFailed,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)

ID = new_id()
META = Envelope(id="e", stream=ID, version=3, organisation="acme", time=datetime(2026, 11, 21, tzinfo=UTC))


def told(event: Events) -> list[Any]:
    return list(rows(event, META))


def test_a_training_waits() -> None:
    (row,) = told(
        TrainingRequested(dataset="d", project="p", name="n", architecture="a", epochs=3, hyperparameters={"x": 1})
    )
    assert isinstance(row, Put)
    assert (row.table, row.values["status"], row.values["number"]) == ("trainings", "queued", number_of(ID))
    assert (row.values["base"], row.values["hyperparameters"]) == (None, {"x": 1})


def test_it_is_prepared_and_runs() -> None:
    (row,) = told(TrainingStarted(lease="l", worker="w", until=META.time))
    assert (row.values["status"], row.values["started_at"]) == ("preparing", META.time)
    row, point = told(TrainingAdvanced(epoch=1, progress=0.5, metrics={"loss": 1.0}, best=True, until=META.time))
    assert (row.values["status"], row.values["metrics"], row.values["best_metrics"]) == (
        "running", {"loss": 1.0}, {"loss": 1.0},
    )  # fmt: skip
    assert (point.table, point.key, point.values["metrics"]) == ("epochs", {"training": ID, "epoch": 1}, {"loss": 1.0})
    (row,) = told(TrainingAdvanced(epoch=1, progress=0.6, until=META.time))
    assert not {"metrics", "best_metrics"} & set(row.values)


def test_it_ends() -> None:
    for event, status in (
        (TrainingFinished(model="m"), "completed"),
        (TrainingFailed(message="no"), "failed"),
        (TrainingCancelled(), "cancelled"),
    ):
        (row,) = told(event)
        assert (row.values["status"], row.values["completed_at"], row.values["lease"]) == (status, META.time, None)


def test_an_export_has_its_file_in_the_end() -> None:
    (row,) = told(ModelExportRequested(model="m", format="onnx", precision="fp32", source="aa"))
    assert (row.table, row.values["status"], row.values["number"]) == ("exports", "queued", number_of(ID))
    (row,) = told(ModelExported(file=ModelFile(id="f", key="k", digest="aa", size=3, media_type="t")))
    assert (row.values["status"], row.values["key"], row.values["digest"]) == ("completed", "k", "aa")
