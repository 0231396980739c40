"""Events for those who ask, and what receivers may want to know of us (contract, operations 24 to 27)."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.gateway import Gate, Gateway
from api.noxovision import document, hooks, wire
from api.noxovision.auth import Reader, known, presented
from api.noxovision.deliveries import uuid_of
from api.noxovision.door import Door
from api.noxovision.paths import operation
from api.noxovision.problems import Fault, Problem
from api.noxovision.results import wait_of
from infra.postgres import Row
from infra.settings import Settings
from projections.webhooks import queries
from streams.analysis.envelope import instant
from streams.webhooks.messages import message_id
from streams.webhooks.plan import assembled

router = APIRouter(tags=["Webhooks"])
PAGE_BYTES = 32 << 20
"""A page ends behind the event that passes this."""
VIDEO, BATCH = wire.VideoJob.model_json_schema(), wire.ImagesJob.model_json_schema()
NOTICE = {"type": "object", "properties": {"endpoint_id": {"type": "string"}, "reason": {"type": "string"}}}
TYPES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("video.finished", "A video job has ended with a result.", VIDEO),
    ("video.failed", "A video job has ended without a result.", VIDEO),
    ("image_batch.finished", "A batch has ended; at least one item finished.", BATCH),
    ("image_batch.failed", "A batch has ended without one finished item.", BATCH),
    ("webhook.endpoint.disabled", "An endpoint was switched off.", NOTICE),
    ("webhook.delivery.exhausted", "A message was given up after its last try.", {"type": "object"}),
    ("webhook.test", "A test that was asked for.", {"type": "object"}),
)


@operation(
    router,
    "GET",
    "listEventTypes",
    responses={200: {"model": hooks.EventTypes, "description": "OK"}, **document.problems()},
)
async def list_event_types(caller: Reader) -> Response:
    """Event catalogue"""
    data = [{"name": name, "description": said, "deprecated": False, "schema": schema} for name, said, schema in TYPES]
    return Response(orjson.dumps({"data": data}), media_type="application/json")


@operation(router, "GET", "listSourceIps", responses={200: {"model": hooks.SourceIps, "description": "OK"}})
async def list_source_ips(request: Request) -> Response:
    """Egress addresses to allow"""
    settings: Settings = request.app.state.settings
    body = {"cidrs": settings.webhooks.source_ips, "updated_at": instant(settings.webhooks.source_ips_since)}
    return Response(orjson.dumps(body), media_type="application/json")


@operation(
    router,
    "GET",
    "listSigningKeys",
    responses={200: {"model": hooks.SigningKeys, "description": "OK"}, **document.problems(422)},
)
async def list_signing_keys(
    request: Request, gate: Gate, organisation: Annotated[str | None, Query(max_length=36)] = None
) -> Response:
    """Public Ed25519 keys: of the organisation named, or the key's own"""
    rows: list[Row] = []
    if organisation is None and presented(request) is not None:
        organisation = (await known(request)).organisation
    if organisation is not None and (id := uuid_of(organisation)) is not None:
        async with gate.read("") as db:
            rows = await queries.public_keys(db, id)
    keys = [
        {
            "key_id": row["key_id"],
            "alg": "ed25519",
            "public_key": row["public"],
            "not_before": instant(row["created_at"]),
            "not_after": instant(row["not_after"]),
        }
        for row in rows
    ]
    return Response(orjson.dumps({"keys": keys}), media_type="application/json")


@operation(
    router,
    "GET",
    "listEvents",
    openapi_extra={"parameters": [document.PREFER]},
    responses={200: {"model": hooks.EventPage, "description": "OK"}, **document.problems(400, 410, 422)},
)
async def list_events(
    request: Request,
    caller: Reader,
    gate: Gate,
    limit: Annotated[int, Query(ge=1, le=250)] = 50,
    iterator: Annotated[str | None, Query()] = None,
) -> Response:
    """Read events by cursor"""
    wait = wait_of(request)
    place = await begin(gate, caller, iterator)

    async def look(db: Any) -> list[Row] | None:
        return await queries.events(db, place, limit + 1) or None

    rows = await gate.until(caller.organisation, look, wait=float(wait or 0)) or []
    door: Door = request.app.state.door
    entries, size = [], 0
    for row in rows[:limit]:
        entries.append(await entry(door, row, request.app.state.settings))
        place, size = row["version"], size + len(entries[-1])
        if size > PAGE_BYTES:
            break
    done = str(len(entries) == len(rows)).lower()
    body = f'{{"data":[{",".join(entries)}],"iterator":"{place}","done":{done}}}'
    headers = {"Preference-Applied": f"wait={wait}"} if wait is not None else {}
    return Response(body, 200, headers, "application/json")


async def begin(gate: Gateway, caller: Reader, iterator: str | None) -> int:
    """The place that is read on from. Errors: Problem 400, 410 when what follows it is no longer kept."""
    if iterator is not None and not (iterator.isascii() and iterator.isdigit() and len(iterator) < 19):
        fault = Fault("iterator", "invalid_iterator", "no iterator of ours")
        raise Problem(400, "invalid_iterator", "no iterator of ours", fault)
    async with gate.reading(caller) as db:
        first = await queries.first_kept(db)
    if iterator is not None and int(iterator) < first:
        raise Problem(410, "iterator_expired", "events are kept for 14 days; begin anew without an iterator")
    return max(int(iterator or 0), first)


async def entry(door: Door, row: Row, settings: Settings) -> str:
    """One event; a result that was erased is told by its thin envelope."""
    base = settings.api.public_url.rstrip("/")
    body, key = row["body"], row["body"].get("object")
    try:
        stored = await door.objects.get(key) if key else b""
    except FileNotFoundError:
        body, stored = row["thin"] or {"head": "{}", "tail": ""}, b""
    said = orjson.dumps({"type": row["event_type"], "timestamp": instant(row["occurred_at"])}).decode()
    data = assembled(body, stored, base).decode()
    return f'{{"message_id":"{message_id(row["id"])}","event":{said[:-1]},"data":{data}}}}}'
