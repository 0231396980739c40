"""What is said of tries that have ended: commands and facts for the log, the receivers' health in its rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from infra.postgres import Connection
from schemas import registry
from schemas.base import Command, Envelope, Fact, asking
from schemas.ids import derived_id
from schemas.webhooks.messages import Attempt, CancelMessage, DisableEndpoint, RecordAttempt
from streams.webhooks import health
from streams.webhooks.endpoints import receivers_stream
from streams.webhooks.health import Health, Try
from streams.webhooks.plan import masked
from streams.webhooks.schedule import overloaded
from streams.webhooks.sender import Answer

ACTOR = "deliveries"
Wire = tuple[str, bytes, bytes, Sequence[tuple[str, bytes]]]


class Report(msgspec.Struct, frozen=True):
    """A try that has ended, of the claimed row `row`; without an answer none was made, since the body is gone."""

    row: Any
    trigger: str
    answer: Answer | None
    headers: dict[str, str] = {}
    payload_bytes: int = 0
    payload_sha256: str = ""
    trace: dict[str, str] = {}

    @property
    def hold(self) -> tuple[str, int]:
        """What is held while the try is on its way: message and number."""
        return self.row["id"], self.row["number"]


def wires(reports: Sequence[Report]) -> list[Wire]:
    return [wire for report in reports for wire in (said(report) if report.answer else erased(report))]


def said(report: Report) -> list[Wire]:
    """The command that decides what follows, and the fact for the log."""
    row, answer = report.row, report.answer
    assert answer is not None
    name = f"attempt/{row['number']}"
    told = {
        "number": row["number"],
        "trigger": report.trigger,
        "outcome": answer.outcome,
        "status": answer.status,
        "started_at": answer.started_at,
        "ended_at": answer.ended_at,
    }
    command = RecordAttempt(
        **told,
        retry_after=answer.retry_after,
        jitter=random.random(),
        wish=answer.wish,
        payload_bytes=report.payload_bytes,
        payload_sha256=report.payload_sha256,
    )
    attempt = Attempt(
        **told,
        attempt=derived_id(row["id"], name),
        endpoint=row["endpoint"],
        remote_ip=answer.remote_ip,
        dns_ms=answer.dns_ms,
        connect_ms=answer.connect_ms,
        first_byte_ms=answer.first_byte_ms,
        total_ms=answer.total_ms,
        request_headers=masked(report.headers),
        response_headers=answer.headers,
        response_body=answer.body,
        response_truncated=answer.truncated,
        retry_after_seconds=answer.retry_after,
        trace_id=trace_id(report.trace),
    )
    id = derived_id(row["id"], name)
    return [
        wire(command, meta(row, row["id"], id), report.trace),
        wire(attempt, meta(row, row["id"], derived_id(id, "fact")), report.trace),
    ]


def trace_id(trace: dict[str, str]) -> str | None:
    """Of a `traceparent`: version, trace, span, flags."""
    return trace["traceparent"].split("-")[1] if trace else None


def erased(report: Report) -> list[Wire]:
    row = report.row
    said = meta(row, row["id"], derived_id(row["id"], f"erased/{row['version']}"))
    return [wire(CancelMessage(reason="erased"), said, report.trace)]


def stranded(row: Any) -> Wire:
    """Of a message whose endpoint is gone or disabled."""
    return wire(
        CancelMessage(reason=row["reason"]),
        meta(row, row["id"], derived_id(row["id"], f"{row['reason']}/{row['version']}")),
    )


def disable(report: Report, reason: str) -> Wire:
    row = report.row
    stream = receivers_stream(row["organisation"])
    id = derived_id(row["id"], f"disable/{row['number']}")
    return wire(DisableEndpoint(endpoint=row["endpoint"], reason=reason), meta(row, stream, id), report.trace)


def meta(row: Any, stream: str, id: str) -> Envelope:
    return asking(stream, organisation=row["organisation"], actor=ACTOR, id=id, cause=row["id"], correlation=row["id"])


def wire(body: Command | Fact, envelope: Envelope, trace: dict[str, str] | None = None) -> Wire:
    headers = registry.headers(envelope, body, trace)
    return body.TOPIC, envelope.stream.encode(), registry.encode(envelope, body), headers


async def count(db: Connection, reports: Sequence[Report]) -> list[Wire]:
    """Folds the tries into their receivers' health; the commands that switch endpoints off."""
    made = [report for report in reports if report.answer is not None]
    if not made:
        return []
    owners = {report.row["receiver"]: report.row["organisation"] for report in made}
    receivers = sorted(owners)
    await db.execute(
        """insert into streams.receivers (receiver, organisation)
           select * from unnest($1::uuid[], $2::uuid[]) on conflict do nothing""",
        receivers,
        [owners[receiver] for receiver in receivers],
    )
    rows = await db.fetch(
        "select receiver, health from streams.receivers where receiver = any($1::uuid[]) order by receiver for update",
        receivers,
    )
    states = {row["receiver"]: msgspec.convert(row["health"], Health) for row in rows}
    ends = []
    for report in made:
        state = states[report.row["receiver"]] = counted(states[report.row["receiver"]], report)
        if (reason := ending(state, report)) is not None:
            ends.append(disable(report, reason))
    await db.execute(
        """update streams.receivers r set health = n.health::jsonb, not_before = n.not_before, updated_at = now()
           from unnest($1::uuid[], $2::text[], $3::timestamptz[]) n(receiver, health, not_before)
           where r.receiver = n.receiver""",
        list(states),
        [orjson.dumps(msgspec.to_builtins(state)).decode() for state in states.values()],
        [state.not_before for state in states.values()],
    )
    return ends


def counted(state: Health, report: Report) -> Health:
    """An endpoint that was made active again starts anew; a blocked address and a test say nothing of health."""
    answer, enabled = report.answer, report.row["enabled_at"]
    assert answer is not None
    if enabled is not None and state.first_failure_at is not None and state.first_failure_at < enabled:
        state = Health(last_success_at=state.last_success_at)
    if answer.outcome == "blocked_address" or report.trigger == "test":
        return state
    overload = overloaded(answer.outcome, answer.status)
    return health.after(state, Try(answer.ended_at, answer.outcome == "success", overload, answer.retry_after))


def ending(state: Health, report: Report) -> str | None:
    """Why the endpoint is to be switched off now, if it is. A callback's receiver has only its circuit."""
    answer = report.answer
    if report.row["endpoint"] is None or answer is None or answer.outcome == "success":
        return None
    if answer.status == 410:
        return "gone"
    if answer.wish == "disable":
        return "receiver_request"
    return "failing" if health.hopeless(state, answer.ended_at) else None
