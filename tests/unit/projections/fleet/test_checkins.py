"""Check-ins as frames: every one kept, the latest word of each device."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import polars as pl

from projections.columns import columnar
from projections.fleet.checkins import HEALTH, frames
from schemas import registry
from schemas.base import asking
from schemas.fleet.messages import CheckIn
from schemas.ids import new_id

ORG, DEVICE, OTHER = new_id(), new_id(), new_id()
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
NONE = pl.DataFrame(schema=HEALTH)


def batch(*beats: tuple[str, int, CheckIn]) -> pl.DataFrame:
    """(device, second, what it said)"""
    messages: list[Any] = []
    for offset, (device, second, fact) in enumerate(beats):
        meta = msgspec.structs.replace(asking(device, organisation=ORG), time=START + timedelta(seconds=second))
        place = {"topic": "fleet.checkins", "partition": 0, "offset": offset}
        messages.append(SimpleNamespace(**place, key=device.encode(), value=registry.encode(meta, fact)))
    read = columnar("fleet.CheckIn")(messages)
    assert not read.poison
    assert read.rows is not None
    return read.rows


def latest(rows: pl.DataFrame, known: pl.DataFrame = NONE) -> dict[str, dict[str, Any]]:
    (found,) = frames(rows, known).latest
    return {row["device"]: row for row in found.rows.to_dicts()}


def test_what_a_beat_is_silent_on_stays() -> None:
    rows = batch(
        (DEVICE, 0, CheckIn(status="healthy", metrics={"cpu": 1})),
        (DEVICE, 5, CheckIn(model="7", ip_address="10.0.0.1")),
        (OTHER, 1, CheckIn()),
        (DEVICE, 9, CheckIn()),
    )
    found = latest(rows)
    own = found[DEVICE]
    assert (own["status"], own["metrics"], own["model"], own["ip_address"]) == ("healthy", '{"cpu":1}', "7", "10.0.0.1")
    assert (own["last_seen_at"], own["reported_at"]) == (START + timedelta(seconds=9), START)
    assert found[OTHER]["status"] is None


def test_it_goes_on_from_what_is_known() -> None:
    before = frames(batch((DEVICE, 0, CheckIn(status="error"))), NONE).latest[0].rows
    own = latest(batch((DEVICE, 3, CheckIn(metrics={"t": 40}))), before)[DEVICE]
    assert (own["status"], own["metrics"]) == ("error", '{"t":40}')


def test_every_beat_is_history() -> None:
    history = frames(batch((DEVICE, 0, CheckIn()), (DEVICE, 1, CheckIn(status="degraded"))), NONE).tables["checkins"]
    assert history["status"].to_list() == [None, "degraded"]
    assert history["offset"].to_list() == [0, 1]
