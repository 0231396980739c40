"""What the end of a job, and of a message, means for receivers. Pure: message ids follow from event and receiver."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from schemas.analysis.messages import AnalysisFailed, AnalysisFinished, Callback
from schemas.base import Envelope
from schemas.ids import derived_id
from schemas.webhooks.messages import (
    Addressee,
    AnnounceEvent,
    Body,
    EventAnnounced,
    MessageExhausted,
    QueueMessage,
)
from streams.analysis.envelope import RESULT_PATH, job_id, terminal_envelope, terminal_head, thin
from streams.decision import Send
from streams.webhooks.endpoints import EXHAUSTED, receivers_stream, told
from streams.webhooks.messages import message_id

Ended = AnalysisFinished | AnalysisFailed

FULL_LIMIT = 20 << 20
"""Bytes of a result that still travels whole."""
RESULT = b'"\\u0000result\\u0000"'
LINK = "\0link\0"
SURFACE = "/api/v0"
EVENT_TYPE = {"video": "video", "images": "image_batch"}


def ended(event: Ended, meta: Envelope) -> tuple[Send, ...]:
    """The caller of the job, if it asked for it, and the organisation's standing receivers."""
    type_ = f"{EVENT_TYPE[event.kind]}.{'finished' if isinstance(event, AnalysisFinished) else 'failed'}"
    shown = job_id(event.kind, meta.stream)
    full, small = full_body(event, meta.stream), thin_body(event, meta.stream)
    announce = AnnounceEvent(
        event_type=type_,
        event=meta.id,
        occurred_at=event.finished_at,
        job=shown,
        body=full,
        thin=small,
        traceparent=event.traceparent,
    )
    sends = (Send(receivers_stream(meta.organisation), announce),)
    if event.callback is None:
        return sends
    return (callback(event.callback, announce, meta), *sends)


def callback(asked: Callback, announce: AnnounceEvent, meta: Envelope) -> Send:
    """A callback's body is the bare envelope."""
    receiver = derived_id(meta.organisation, asked.url)
    assert announce.thin is not None
    message = QueueMessage(
        receiver=receiver,
        url=asked.url,
        event_type=announce.event_type,
        event=announce.event,
        occurred_at=announce.occurred_at,
        job=announce.job,
        body=announce.thin if asked.payload == "thin" else announce.body,
        secret=asked.secret,
        headers=asked.headers,
        traceparent=announce.traceparent,
    )
    return Send(derived_id(meta.id, receiver), message)


def announced(event: EventAnnounced, meta: Envelope) -> tuple[Send, ...]:
    """A message for each endpoint that the event is addressed to."""
    return tuple(Send(derived_id(event.event, to.endpoint), addressed(event, to)) for to in event.endpoints)


def addressed(event: EventAnnounced, to: Addressee) -> QueueMessage:
    body = event.thin if to.payload == "thin" and event.thin else event.body
    return QueueMessage(
        receiver=to.endpoint,
        endpoint=to.endpoint,
        event_type=event.event_type,
        event=event.event,
        occurred_at=event.occurred_at,
        job=event.job,
        body=body if to.style == "compat" else standard(event, body),
        delays=to.delays,
        traceparent=event.traceparent,
    )


def standard(event: EventAnnounced, body: Body) -> Body:
    """`{type, timestamp, data}` around the envelope."""
    around = {"type": event.event_type, "timestamp": event.occurred_at, "data": orjson.Fragment(RESULT)}
    head, _, tail = orjson.dumps(around, option=orjson.OPT_UTC_Z).partition(RESULT)
    return msgspec.structs.replace(body, head=head.decode() + body.head, tail=body.tail + tail.decode())


def exhausted(event: MessageExhausted, meta: Envelope) -> tuple[Send, ...]:
    """Those that listen for it hear that a delivery was given up; never about that notice itself."""
    if event.event_type == EXHAUSTED:
        return ()
    body = Body(
        head=told(
            message_id=message_id(meta.stream),
            endpoint_id=event.endpoint,
            event_type=event.event_type,
            job_id=event.job,
        )
    )
    notice = AnnounceEvent(
        event_type=EXHAUSTED,
        event=meta.id,
        occurred_at=meta.time,
        job=event.job,
        body=body,
        about=event.endpoint,
    )
    return (Send(receivers_stream(meta.organisation), notice),)


def full_body(event: Ended, job: str) -> Body:
    """The envelope that polling gives; a result beyond the limit goes thin, with its size and digest."""
    if isinstance(event, AnalysisFailed):
        return Body(head=terminal_envelope(event, job).decode())
    if event.result_bytes > FULL_LIMIT:
        return linked(event, job, result_bytes=event.result_bytes, result_sha256=event.result_sha256)
    head, _, tail = terminal_envelope(event, job, RESULT).partition(RESULT)
    return Body(head=head.decode(), object=event.result_key, object_bytes=event.result_bytes, tail=tail.decode())


def thin_body(event: Ended, job: str) -> Body:
    return linked(event, job)


def linked(event: Ended, job: str, **more: Any) -> Body:
    """A thin envelope: where the result is, under an address that only the sender knows."""
    members = {**thin(terminal_head(event, job), LINK), **more}
    head, _, tail = orjson.dumps(members).partition(orjson.dumps(LINK)[1:-1])
    return Body(
        head=head.decode(),
        link=SURFACE + RESULT_PATH[event.kind].format(job_id=job_id(event.kind, job)),
        tail=tail.decode(),
    )
