"""Rows of a job: the queue holds what may be taken, items show how far a batch is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from projections.analysis.rows import rows
from projections.rows import Add, Change, Drop, Put
from schemas.analysis.messages import (
    CompleteTask,
    EraseAnalysis,
    FailTask,
    Item,
    ReleaseTask,
    ReportWorker,
    RequestAnalysis,
    RetireWorker,
    StartTask,
)
from schemas.base import Command, Envelope
from streams.analysis.decider import INITIAL, apply, decide
from streams.decision import Refusal

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STORED = {"key": "k", "bytes": 3, "sha256": "d", "units": 2.0}


class Tables:
    """The tables of one stream, in memory."""

    def __init__(self) -> None:
        self.state: Any = INITIAL
        self.version = 0
        self.tables: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}

    def told(self, command: Command) -> None:
        self.version += 1
        meta = Envelope(id="c", stream="j", organisation="o", version=self.version, time=self.now())
        result = decide(self.state, command, meta)  # type: ignore[arg-type]
        assert not isinstance(result, Refusal), result
        for event in result:
            self.state = apply(self.state, event, meta)
            for row in rows(event, meta):
                self.write(row)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.version)

    def write(self, row: Put | Change | Add | Drop) -> None:
        table = self.tables.setdefault(row.table, {})
        hit = [key for key, held in table.items() if all(held[name] == value for name, value in row.key.items())]
        match row:
            case Put():
                table[tuple(row.key.values())] = {**row.key, **row.values}
            case Change():
                for key in hit:
                    assert row.values.keys() <= table[key].keys() | OPTIONAL, row
                    table[key].update(row.values)
            case Add():
                for key in hit:
                    table[key].update({name: table[key][name] + value for name, value in row.values.items()})
            case Drop():
                for key in hit:
                    del table[key]

    def all(self, table: str) -> list[dict[str, Any]]:
        return list(self.tables.get(table, {}).values())


OPTIONAL = {
    *("started_at", "finished_at", "deadline", "erased_at", "code", "message", "retryable"),
    *("result_key", "result_bytes", "result_sha256", "units"),
}


def test_a_video_and_its_queue() -> None:
    tables = Tables()
    tables.told(RequestAnalysis(kind="video", media="m", max_processing_time=10))
    assert [(task["task"], task["phase"], task["input"]) for task in tables.all("tasks")] == [
        ("split", "waiting", {"key": "m"})
    ]
    (job,) = tables.all("jobs")
    assert (job["status"], job["attempts"], job["created_at"]) == ("queued", 0, NOW + timedelta(seconds=1))
    tables.told(StartTask(task="split", lease="a", worker="w"))
    (job,), (task,) = tables.all("jobs"), tables.all("tasks")
    assert (job["status"], job["attempts"], job["deadline"]) == ("processing", 1, NOW + timedelta(seconds=12))
    assert (task["phase"], task["worker"], task["lease"]) == ("running", "w", "a")
    tables.told(ReleaseTask(task="split", lease="a", lost=True))
    assert (tables.all("jobs")[0]["attempts"], tables.all("tasks")[0]["phase"]) == (2, "waiting")
    tables.told(StartTask(task="split", lease="b", worker="w"))
    tables.told(CompleteTask(task="split", lease="b", output={"media": {}, "segments": [{}]}))
    assert [task["phase"] for task in tables.all("tasks")] == ["done", "waiting"]
    for name in ("segment-0", "merge"):
        tables.told(StartTask(task=name, lease=name, worker="w"))
        tables.told(CompleteTask(task=name, lease=name, output=STORED))
    (job,) = tables.all("jobs")
    assert tables.all("tasks") == []
    assert (job["status"], job["result_key"], job["units"]) == ("finished", "k", 2.0)
    assert job["started_at"] < job["finished_at"]
    tables.told(EraseAnalysis())
    assert (job["result_key"], job["erased_at"]) == (None, tables.now())


def test_the_items_of_a_batch() -> None:
    tables = Tables()
    items = (Item(key="a", external_id="x"), Item(code="invalid_base64", message="no"), Item(key="c"))
    tables.told(RequestAnalysis(kind="images", items=items))
    assert [item["status"] for item in tables.all("items")] == ["queued", "failed", "queued"]
    tables.told(StartTask(task="image-2", lease="a", worker="w"))
    tables.told(CompleteTask(task="image-2", lease="a", output=STORED))
    tables.told(StartTask(task="image-0", lease="b", worker="w"))
    assert [item["status"] for item in tables.all("items")] == ["processing", "failed", "finished"]
    tables.told(FailTask(task="image-0", lease="b", code="corrupt_media", message="bad", retryable=False))
    shown = [(item["status"], item["code"]) for item in tables.all("items")]
    assert shown == [("failed", "corrupt_media"), ("failed", "invalid_base64"), ("finished", None)]
    assert [task["task"] for task in tables.all("tasks") if task["phase"] == "waiting"] == ["merge"]


def test_a_failed_batch_drops_what_it_had() -> None:
    tables = Tables()
    tables.told(RequestAnalysis(kind="images", items=(Item(key="a"), Item(key="b"))))
    tables.told(StartTask(task="image-0", lease="a", worker="w"))
    tables.told(CompleteTask(task="image-0", lease="a", output=STORED))
    for lease in "bcd":
        tables.told(StartTask(task="image-1", lease=lease, worker="w"))
        tables.told(ReleaseTask(task="image-1", lease=lease, lost=True))
    assert [(item["status"], item["code"]) for item in tables.all("items")] == [("failed", "worker_lost")] * 2
    assert all(item["result_key"] is None for item in tables.all("items"))
    assert tables.all("tasks") == []


def test_workers() -> None:
    tables = Tables()
    tables.told(ReportWorker(slots=2, video_ms=1.0, image_ms=2.0))
    tables.told(RetireWorker())
    (worker,) = tables.all("workers")
    assert (worker["slots"], worker["image_ms"]) == (0, 2.0)
