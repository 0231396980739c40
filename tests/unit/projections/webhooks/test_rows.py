"""Webhook events as rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from projections.rows import Change, Put
from projections.webhooks.rows import rows
from schemas.base import Envelope
from schemas.webhooks.messages import (
    AttemptFailed,
    Body,
    EndpointSecretRotated,
    MessageCancelled,
    MessageDelivered,
    MessageExhausted,
    MessageQueued,
    RetryRequested,
)

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
META = Envelope(id="event", stream="message", organisation="org", version=3, time=BEGIN)
TRY: dict[str, Any] = {"number": 1, "outcome": "http_error", "status": 500, "started_at": BEGIN, "ended_at": BEGIN}


def change(event: Any) -> dict[str, Any]:
    (row,) = rows(event, META)
    assert isinstance(row, Change)
    assert (row.table, row.key) == ("messages", {"id": "message"})
    return row.values


def test_queued_is_due_at_once() -> None:
    event = MessageQueued(
        receiver="r", event_type="video.finished", event="e", occurred_at=BEGIN, body=Body(head="{}"), expires_at=BEGIN
    )
    (row,) = rows(event, META)
    assert isinstance(row, Put)
    assert (row.values["due"], row.values["trigger"], row.values["created_at"]) == (BEGIN, "scheduled", BEGIN)
    assert row.values["body"]["head"] == "{}"
    assert "delays" not in row.values


def test_a_failed_try_waits() -> None:
    due = BEGIN + timedelta(seconds=5)
    values = change(AttemptFailed(**TRY, due=due))
    assert (values["state"], values["due"], values["attempts"]) == ("retry_scheduled", due, 1)
    assert values["first_attempt_at"] == BEGIN
    assert "asked" not in values


def test_a_failed_manual_try_is_no_longer_asked_for() -> None:
    values = change(AttemptFailed(**{**TRY, "trigger": "manual", "number": 2}, due=None))
    assert (values["asked"], values["trigger"]) == (None, None)
    assert "state" not in values
    assert "first_attempt_at" not in values


def test_ends_are_at_rest() -> None:
    for event, state in (
        (MessageDelivered(**TRY), "delivered"),
        (MessageCancelled(reason="gone"), "cancelled"),
        (MessageCancelled(reason="endpoint_disabled", state="endpoint_disabled"), "endpoint_disabled"),
    ):
        values = change(event)
        assert (values["state"], values["due"], values["asked"]) == (state, None, None)


def test_exhausted_leaves_a_try_that_was_asked_for() -> None:
    values = change(MessageExhausted(receiver="r", event_type="t", event="e"))
    assert (values["state"], values["due"]) == ("exhausted", None)
    assert "asked" not in values
    assert change(RetryRequested(trigger="manual", due=BEGIN))["asked"] == BEGIN


def test_rotation_ends_the_former_secret_only() -> None:
    rotated = EndpointSecretRotated(endpoint="e", secret="new", previous="old", previous_expires_at=BEGIN)
    endpoint, former, current = rows(rotated, META)
    assert (endpoint.table, endpoint.key) == ("endpoints", {"id": "e"})
    assert isinstance(former, Change)
    assert (former.key, former.values["expires_at"]) == ({"id": "old"}, BEGIN)
    assert isinstance(current, Put)
    assert (current.key, current.values["secret"]) == ({"id": "event"}, "new")
