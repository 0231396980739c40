"""The delivery log (contract, operations 19 to 23)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import orjson
from clickhouse_connect.driver.exceptions import OperationalError
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime

from api.auth import Caller
from api.gateway import Gate, Gateway, Unavailable, asked
from api.noxovision import document, hooks, shown
from api.noxovision.auth import Hooker
from api.noxovision.endpoints import KEYED
from api.noxovision.jobs import after
from api.noxovision.paths import operation
from api.noxovision.problems import Fault, Problem
from infra.postgres import Row
from projections.webhooks import queries, tries
from schemas.webhooks.messages import CancelMessage, RetryMessage

router = APIRouter(tags=["Webhooks"])


async def known(gate: Gateway, caller: Caller, delivery_id: str) -> Row:
    """The delivery's row. Errors: Problem 404, the same for an id that never was and one of another organisation."""
    async with gate.reading(caller) as db:
        row = await queries.delivery(db, delivery_id) if uuid_of(delivery_id) == delivery_id else None
    if row is None:
        raise Problem(404, "unknown_delivery", "no such delivery")
    return row


def uuid_of(text: str) -> str | None:
    """The id in a text; None when it is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


@operation(
    router,
    "GET",
    "listDeliveries",
    responses={200: {"model": hooks.DeliveryPage, "description": "OK"}, **document.problems(400, 422)},
)
async def list_deliveries(
    caller: Hooker,
    gate: Gate,
    limit: Annotated[int, Query(ge=1, le=250)] = 50,
    cursor: Annotated[str | None, Query()] = None,
    job_id: Annotated[str | None, Query()] = None,
    endpoint_id: Annotated[str | None, Query()] = None,
    event_type: Annotated[str | None, Query()] = None,
    state: Annotated[hooks.DeliveryState | None, Query()] = None,
    since: Annotated[AwareDatetime | None, Query()] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
) -> Response:
    """Delivery log, newest first"""
    endpoint, place = uuid_of(endpoint_id) if endpoint_id else None, after(cursor)
    texts = (job_id or "", event_type or "")
    rows: list[Row] = []
    if (endpoint_id is None or endpoint is not None) and not any("\0" in text for text in texts):
        async with gate.reading(caller) as db:
            rows = await queries.deliveries(
                db,
                limit=limit + 1,
                after=place,
                job=job_id,
                endpoint=endpoint,
                event_type=event_type,
                states=[state] if state else None,
                since=since,
                until=until,
            )
    more = UUID(rows[limit - 1]["id"]).hex if len(rows) > limit else None
    body = {"data": [shown.delivery(row) for row in rows[:limit]], "next_cursor": more}
    return Response(orjson.dumps(body), media_type="application/json")


@operation(
    router,
    "GET",
    "getDelivery",
    responses={200: {"model": hooks.Delivery, "description": "OK"}, **document.problems(404)},
)
async def get_delivery(caller: Hooker, gate: Gate, delivery_id: str) -> Response:
    """One delivery"""
    row = await known(gate, caller, delivery_id)
    return Response(orjson.dumps(shown.delivery(row)), media_type="application/json")


@operation(
    router,
    "GET",
    "listAttempts",
    responses={200: {"model": hooks.AttemptPage, "description": "OK"}, **document.problems(400, 404, 422)},
)
async def list_attempts(
    request: Request,
    caller: Hooker,
    gate: Gate,
    delivery_id: str,
    limit: Annotated[int, Query(ge=1, le=250)] = 50,
    cursor: Annotated[str | None, Query()] = None,
) -> Response:
    """Every try with its outcome"""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        fault = Fault("cursor", "invalid_cursor", "no cursor of ours")
        raise Problem(400, "invalid_cursor", "no cursor of ours", fault)
    row = await known(gate, caller, delivery_id)
    try:
        found = await tries.attempts(
            request.app.state.columns, caller.organisation, row["id"], after=int(cursor or 0), limit=limit + 1
        )
    except OperationalError as problem:
        raise Unavailable("clickhouse") from problem
    data = [shown.attempt(made, row["ready"] if made["number"] == row["attempts"] else None) for made in found[:limit]]
    more = str(found[limit - 1]["number"]) if len(found) > limit else None
    return Response(orjson.dumps({"data": data, "next_cursor": more}), media_type="application/json")


@operation(
    router,
    "POST",
    "retryDelivery",
    status_code=202,
    openapi_extra=KEYED,
    responses={202: {"model": hooks.Delivery, "description": "Queued"}, **document.problems(404, 409, 410)},
)
async def retry_delivery(request: Request, caller: Hooker, gate: Gate, delivery_id: str) -> Response:
    """Try now"""
    row = await known(gate, caller, delivery_id)
    if row["reason"] == "erased" or row["body"] is None:
        raise Problem(410, "erased", "the result was erased, or the message is no longer kept")
    await gate.ask(RetryMessage(), stream=row["id"], caller=caller, ask=asked(request, caller))
    body = shown.delivery(await known(gate, caller, delivery_id))
    return Response(orjson.dumps(body), 202, media_type="application/json")


@operation(
    router,
    "POST",
    "cancelDelivery",
    openapi_extra=KEYED,
    responses={200: {"model": hooks.Delivery, "description": "OK"}, **document.problems(404, 409)},
)
async def cancel_delivery(request: Request, caller: Hooker, gate: Gate, delivery_id: str) -> Response:
    """Stop further tries"""
    row = await known(gate, caller, delivery_id)
    await gate.ask(CancelMessage(), stream=row["id"], caller=caller, ask=asked(request, caller))
    body = shown.delivery(await known(gate, caller, delivery_id))
    return Response(orjson.dumps(body), media_type="application/json")
