"""What the table of actions holds after each event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from projections.fleet.rows import rows
from schemas.base import Envelope
from schemas.fleet.messages import ActionMoved, ActionQueued, Events
from schemas.ids import new_id, number_of

ID = new_id()
META = Envelope(id="e", stream="actions:d", version=3, organisation="acme", time=datetime(2026, 11, 21, tzinfo=UTC))


def told(event: Events) -> Any:
    (row,) = rows(event, META)
    return row


def test_an_action_waits() -> None:
    row = told(ActionQueued(action=ID, device="d", type="restart_agent", until=META.time))
    assert (row.table, row.key, row.values["number"]) == ("actions", {"id": ID}, number_of(ID))
    assert (row.values["status"], row.values["artefact"], row.values["payload"]) == ("pending", None, {})


def test_an_action_ends_with_a_state_that_is_no_longer_open() -> None:
    for status, ended in (("delivered", None), ("in_progress", None), ("failed", META.time), ("expired", META.time)):
        row = told(ActionMoved(action=ID, status=status, message="why"))
        assert (row.values["status"], row.values["message"], row.values["completed_at"]) == (status, "why", ended)
