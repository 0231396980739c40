"""A test of an endpoint, and a time window sent again (contract, operations 17 and 18; webhooks, section 8)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
from clickhouse_connect.driver.exceptions import OperationalError
from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec.structs import replace

from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, Unavailable, asked
from api.noxovision import document, hooks, shown
from api.noxovision.auth import Hooker
from api.noxovision.endpoints import KEYED, known
from api.noxovision.paths import operation
from api.noxovision.problems import Problem, invalid, later
from infra.clickhouse import Reader
from infra.postgres import Connection, Row
from infra.telemetry import traceparent
from projections.webhooks import queries, tries
from schemas.base import Command, asking
from schemas.ids import derived_id
from schemas.webhooks.messages import Addressee, Body, EventAnnounced, RetryMessage
from streams.webhooks.messages import ONCE
from streams.webhooks.reactions import addressed
from streams.webhooks.schedule import HORIZON

router = APIRouter(tags=["Webhooks"])
MOST = 10_000
OLDEST = timedelta(days=14)
SLACK = 3.0
FAILED = ("exhausted", "endpoint_disabled")


def sendable(row: Row) -> None:
    if row["state"] != "active":
        raise Problem(409, "endpoint.disabled", f"the endpoint is {row['state']}")


@operation(
    router,
    "POST",
    "testEndpoint",
    openapi_extra=KEYED,
    responses={200: {"model": hooks.Attempt, "description": "OK"}, **document.problems(400, 404, 409, 422)},
)
async def try_endpoint(
    request: Request, caller: Hooker, gate: Gate, endpoint_id: str, body: hooks.TestIn | None = None
) -> Response:
    """Send one synthetic event, no retry"""
    row, wish = await known(gate, caller, endpoint_id), body or hooks.TestIn()
    sendable(row)
    ask, now = asked(request, caller, await request.body()), datetime.now(UTC)
    sample = orjson.dumps({"endpoint_id": row["id"], "test": True}).decode()
    event = EventAnnounced(
        event_type=wish.event_type, event=ask.id, occurred_at=now, body=Body(head=sample), traceparent=traceparent()
    )
    message = derived_id(ask.id, row["id"])
    command = addressed(event, addressee(row))
    await gate.ask(replace(command, event_type=ONCE), stream=message, caller=caller, ask=ask)
    tried = await gate.until(
        caller.organisation, lambda db: tried_once(db, message), wait=row["timeout_seconds"] + SLACK
    )
    if tried is None:
        raise later("pending", "the test is queued and not tried yet", 5)
    return Response(
        orjson.dumps(await last_try(request.app.state.columns, caller, gate, message)), media_type="application/json"
    )


async def tried_once(db: Connection, message: str) -> Row | None:
    found = await queries.delivery(db, message)
    return found if found is not None and found["attempts"] else None


async def last_try(reader: Reader, caller: Caller, gate: Gateway, message: str) -> dict[str, object]:
    """The try, once the delivery log has it."""
    try:
        for _ in range(50):
            if found := await tries.attempts(reader, caller.organisation, message):
                return shown.attempt(found[-1], None)
            await asyncio.sleep(0.1)
    except OperationalError as problem:
        raise Unavailable("clickhouse") from problem
    raise later("pending", "the test was made and is not in the log yet", 5)


def addressee(row: Row) -> Addressee:
    return Addressee(
        endpoint=row["id"], style=row["payload_style"], payload=row["payload"], delays=tuple(row["delays"])
    )


@operation(
    router,
    "POST",
    "recoverEndpoint",
    status_code=202,
    openapi_extra=KEYED,
    responses={202: {"model": hooks.Recovery, "description": "Started"}, **document.problems(400, 404, 409, 422)},
)
async def recover_endpoint(
    request: Request, body: hooks.RecoverIn, caller: Hooker, gate: Gate, endpoint_id: str
) -> Response:
    """Send a time window again"""
    row = await known(gate, caller, endpoint_id)
    sendable(row)
    now = datetime.now(UTC)
    since, until = max(body.since, now - OLDEST), body.until or now
    if until <= body.since:
        raise invalid("/until", "invalid_window", "until must lie behind since")
    ask = asked(request, caller, await request.body())
    async with gate.reading(caller) as db:
        failed = await queries.deliveries(
            db, limit=MOST, endpoint=row["id"], states=FAILED, since=since, until=until, oldest_first=True
        )
        never = await queries.missed(db, row["id"], since, until, MOST) if body.mode == "missing" else []
    work = sorted([*((r, False) for r in failed), *((r, True) for r in never)], key=lambda it: it[0]["created_at"])[
        :MOST
    ]
    for n, (found, fresh) in enumerate(work):
        due = now + timedelta(seconds=n / body.max_per_second) if body.max_per_second else now
        await again(gate, caller, ask, row, found, due if not fresh else None)
    answer = {
        "recovery_id": ask.id, "state": "running" if work else "finished", "matched": len(failed) + len(never),
        "queued": len(work),
    }  # fmt: skip
    return Response(orjson.dumps(answer), 202, media_type="application/json")


async def again(gate: Gateway, caller: Caller, ask: Ask, endpoint: Row, found: Row, due: datetime | None) -> None:
    """A try of a message that was given up (`due`), or the message of an event that never had one."""
    if due is not None:
        await tell(
            gate, caller, RetryMessage(trigger="recovery", due=due), found["id"], derived_id(ask.id, found["id"])
        )
        return
    event = EventAnnounced(
        event_type=found["event_type"],
        event=found["id"],
        occurred_at=found["occurred_at"],
        job=found["job"],
        body=Body(**found["body"]),
        thin=Body(**found["thin"]) if found["thin"] else None,
        traceparent=traceparent(),
    )
    message = derived_id(found["id"], endpoint["id"])
    await tell(gate, caller, addressed(event, addressee(endpoint)), message, derived_id(ask.id, message))
    if datetime.now(UTC) - found["occurred_at"] >= HORIZON:
        await tell(gate, caller, RetryMessage(trigger="recovery"), message, derived_id(ask.id, f"{message}/try"))


async def tell(gate: Gateway, caller: Caller, command: Command, stream: str, id: str) -> None:
    await gate.send(command, asking(stream, organisation=caller.organisation, actor=caller.actor, id=id))
