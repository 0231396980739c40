"""The end of a job becomes messages whose bytes are those that polling answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest

from schemas.analysis.messages import AnalysisFailed, AnalysisFinished, Callback, Item
from schemas.base import Envelope
from schemas.webhooks.messages import AnnounceEvent, MessageExhausted, QueueMessage
from streams.analysis.envelope import terminal_envelope
from streams.webhooks.plan import assembled
from streams.webhooks.reactions import FULL_LIMIT, ended, exhausted

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
JOB, ORGANISATION = "0190c8c0-0000-7000-8000-000000000001", "0190c8c0-0000-7000-8000-000000000002"
META = Envelope(id="0190c8c0-0000-7000-8000-000000000003", stream=JOB, organisation=ORGANISATION, time=BEGIN)
CALLBACK = Callback(url="https://h.example.com/", secret="sealed", headers="sealed too")
COMMON: dict[str, Any] = {"created_at": BEGIN, "started_at": BEGIN, "finished_at": BEGIN, "callback": CALLBACK}
FINISHED = AnalysisFinished(**COMMON, kind="video", result_key="results/1", result_bytes=9, result_sha256="ab")
FAILED = AnalysisFailed(**COMMON, kind="images", code="cancelled", message="told to", retryable=False, items=(Item(),))


def body_of(message: Any, stored: bytes = b"") -> bytes:
    return assembled(msgspec.to_builtins(message.body), stored, "https://s.example.com")


def test_a_finished_video() -> None:
    message, announce = (send.command for send in ended(FINISHED, META))
    assert isinstance(message, QueueMessage)
    assert isinstance(announce, AnnounceEvent)
    assert body_of(message, b'{"a":[1]}') == terminal_envelope(FINISHED, JOB, b'{"a":[1]}')
    assert message.body.object == "results/1"
    assert (message.event_type, message.job, message.secret) == (
        "video.finished",
        f"video_{JOB.replace('-', '')}",
        "sealed",
    )
    assert announce.body == message.body


def test_messages_stay_in_the_trace_of_the_request() -> None:
    sends = [send.command for send in ended(msgspec.structs.replace(FINISHED, traceparent="00-a-b-01"), META)]
    assert [command.traceparent for command in sends if isinstance(command, QueueMessage | AnnounceEvent)] == [
        "00-a-b-01",
        "00-a-b-01",
    ]


def test_a_failed_batch() -> None:
    message = ended(FAILED, META)[0].command
    assert isinstance(message, QueueMessage)
    assert body_of(message) == terminal_envelope(FAILED, JOB)
    assert message.event_type == "image_batch.failed"


@pytest.mark.parametrize(("payload", "size"), [("thin", 9), ("full", FULL_LIMIT + 1)])
def test_thin(payload: str, size: int) -> None:
    asked = msgspec.structs.replace(
        FINISHED, callback=msgspec.structs.replace(CALLBACK, payload=payload), result_bytes=size
    )
    message = ended(asked, META)[0].command
    assert isinstance(message, QueueMessage)
    found = orjson.loads(body_of(message))
    job = f"video_{JOB.replace('-', '')}"
    assert found.pop("result_url") == f"https://s.example.com/api/v0/results/video/{job}"
    sized = {"result_bytes": size, "result_sha256": "ab"} if payload == "full" else {}
    assert found == {"job_id": job, "status": "finished", **sized}


def test_the_same_event_is_the_same_message() -> None:
    assert [send.stream for send in ended(FINISHED, META)] == [send.stream for send in ended(FINISHED, META)]


def test_without_a_callback_only_the_standing_receivers() -> None:
    assert len(ended(msgspec.structs.replace(FINISHED, callback=None), META)) == 1


def test_of_a_notice_that_is_given_up_nobody_is_told() -> None:
    event = MessageExhausted(receiver="r", endpoint="e", event_type="video.finished", event="v", job=None)
    assert len(exhausted(event, META)) == 1
    assert exhausted(msgspec.structs.replace(event, event_type="webhook.delivery.exhausted"), META) == ()
