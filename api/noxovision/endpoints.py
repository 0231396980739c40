"""Standing receivers: register, change, rotate, try, send again (contract, operations 11 to 18)."""

from __future__ import annotations

import base64
import secrets
import ssl
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, asked
from api.noxovision import document, hooks, shown
from api.noxovision.auth import Hooker
from api.noxovision.callbacks import header_fault
from api.noxovision.door import Door
from api.noxovision.jobs import after
from api.noxovision.paths import BASE, operation
from api.noxovision.problems import Problem, invalid
from infra.postgres import Row
from infra.secrets import repeatable_hex
from projections.webhooks import queries, tries
from schemas.webhooks.messages import (
    AddSigningKey,
    ChangeEndpoint,
    CreateEndpoint,
    DeleteEndpoint,
    RotateEndpointSecret,
)
from streams.analysis.envelope import instant
from streams.webhooks.addresses import Fault, check
from streams.webhooks.endpoints import receivers_stream
from streams.webhooks.sender import client_context
from streams.webhooks.signing import PRIVATE, SECRET, b64, public_of

router = APIRouter(tags=["Webhooks"])
KEYED = {"parameters": [document.IDEMPOTENCY_KEY]}
SECRET_BYTES = (24, 64)


def stream(caller: Caller) -> str:
    return receivers_stream(caller.organisation)


async def known(gate: Gateway, caller: Caller, endpoint_id: str) -> Row:
    """The endpoint's row. Errors: Problem 404, the same for an id that never was and one of another organisation."""
    try:
        id = str(UUID(endpoint_id))
    except ValueError:
        id = ""
    async with gate.reading(caller) as db:
        row = await queries.endpoint(db, id) if id == endpoint_id else None
    if row is None:
        raise Problem(404, "unknown_endpoint", "no such endpoint")
    return row


async def facts(request: Request, shape: hooks.EndpointIn | hooks.EndpointPatch, given: set[str]) -> dict[str, Any]:
    """The given members as the command has them: URL and headers checked, secrets sealed. Errors: Problem 422."""
    door: Door = request.app.state.door
    found: dict[str, Any] = {name: getattr(shape, name) for name in given - {"secret", "state"}}
    if "url" in found:
        target = check(shape.url, door.policy)
        if isinstance(target, Fault):
            raise invalid("/url", "invalid_webhook_url", f"the webhook URL {target.detail}")
        found["url"] = target.url
    if "headers" in found:
        for name, value in shape.headers.items():
            if (fault := header_fault(name, value, "/headers/")) is not None:
                raise fault
        sealed = door.vault.seal(orjson.dumps(shape.headers).decode()) if shape.headers else None
        found |= {"headers": sealed, "header_names": tuple(shape.headers)}
    if "mtls" in found:
        found |= await certificates(door, shape.mtls)
    if "retry_schedule_seconds" in found:
        found["delays"] = found.pop("retry_schedule_seconds")
    return found


async def certificates(door: Door, mtls: hooks.Mtls | None) -> dict[str, Any]:
    """Certificate and key must fit each other. Errors: Problem 422."""
    if mtls is None:
        return {"mtls": None, "certificates": None}
    whole = mtls.model_dump_json()
    try:
        await run_in_threadpool(client_context, whole)
    except (ssl.SSLError, ValueError, TypeError) as problem:
        raise invalid("/mtls", "invalid_certificate", "certificate and key cannot be used together") from problem
    return {"mtls": door.vault.seal(whole), "certificates": mtls.model_dump(exclude={"client_key_pem"})}


def secret_of(request: Request, given: str | None, ask: Ask) -> str:
    """The caller's secret, or a new one; a repeat with its Idempotency-Key is shown the same. Errors: Problem 422."""
    if given is None:
        key = request.app.state.settings.secrets.keys()[0]
        raw = bytes.fromhex(repeatable_hex("", key, ask.id)) if ask.keyed else secrets.token_bytes(32)
        return SECRET + b64(raw)
    try:
        raw = base64.b64decode(given.removeprefix(SECRET), validate=True)
    except ValueError:
        raw = b""
    least, most = SECRET_BYTES
    if not least <= len(raw) <= most:
        raise invalid("/secret", "invalid_secret", f"whsec_ and base64 of {least} to {most} bytes")
    return given


async def ensure_signing_key(request: Request, caller: Caller, gate: Gateway, signing: tuple[str, ...]) -> None:
    """An organisation's Ed25519 key is made when its first endpoint wants one."""
    if not {"v1a", "rfc9421"} & set(signing):
        return
    async with gate.reading(caller) as db:
        if await queries.signing_keys(db):
            return
    door: Door = request.app.state.door
    private = PRIVATE + b64(Ed25519PrivateKey.generate().private_bytes_raw())
    id = f"whpk_{datetime.now(UTC):%Y_%m}"
    command = AddSigningKey(key_id=id, private=door.vault.seal(private), public=public_of(private))
    await gate.ask(command, stream=stream(caller), caller=caller)


@operation(
    router,
    "POST",
    "createEndpoint",
    status_code=201,
    openapi_extra=KEYED,
    responses={
        201: {"model": hooks.EndpointCreated, "description": "Created"},
        **document.problems(400, 404, 409, 422),
    },
)
async def create_endpoint(request: Request, body: hooks.EndpointIn, caller: Hooker, gate: Gate) -> Response:
    """Register a receiver"""
    ask = asked(request, caller, await request.body())
    given = await facts(request, body, set(hooks.EndpointIn.model_fields))
    secret, id = secret_of(request, body.secret, ask), ask.entity()
    await ensure_signing_key(request, caller, gate, body.signing)
    door: Door = request.app.state.door
    command = CreateEndpoint(endpoint=id, secret=door.vault.seal(secret), **given)
    await gate.ask(command, stream=stream(caller), caller=caller, ask=ask)
    answer = {**shown.endpoint(await known(gate, caller, id)), "signing_secret": secret}
    location = f"{door.base}/webhooks/endpoints/{id}"
    return Response(orjson.dumps(answer), 201, {"Location": location}, "application/json")


@operation(
    router,
    "GET",
    "listEndpoints",
    responses={200: {"model": hooks.EndpointPage, "description": "OK"}, **document.problems(400, 422)},
)
async def list_endpoints(
    caller: Hooker,
    gate: Gate,
    limit: Annotated[int, Query(ge=1, le=250)] = 50,
    cursor: Annotated[str | None, Query()] = None,
) -> Response:
    """List receivers"""
    async with gate.reading(caller) as db:
        rows = await queries.endpoints(db, limit=limit + 1, after=after(cursor))
    more = UUID(rows[limit - 1]["id"]).hex if len(rows) > limit else None
    body = {"data": [shown.endpoint(row) for row in rows[:limit]], "next_cursor": more}
    return Response(orjson.dumps(body), media_type="application/json")


@operation(
    router,
    "GET",
    "getEndpoint",
    responses={200: {"model": hooks.Endpoint, "description": "OK"}, **document.problems(404)},
)
async def get_endpoint(request: Request, caller: Hooker, gate: Gate, endpoint_id: str) -> Response:
    """One receiver with health"""
    row = await known(gate, caller, endpoint_id)
    p95 = await tries.p95(request.app.state.columns, caller.organisation, row["id"])
    return Response(orjson.dumps(shown.endpoint(row, p95)), media_type="application/json")


@operation(
    router,
    "PATCH",
    "updateEndpoint",
    responses={200: {"model": hooks.Endpoint, "description": "OK"}, **document.problems(400, 404, 422)},
)
async def update_endpoint(
    request: Request, body: hooks.EndpointPatch, caller: Hooker, gate: Gate, endpoint_id: str
) -> Response:
    """Change, pause or re-enable"""
    row = await known(gate, caller, endpoint_id)
    given = await facts(request, body, body.model_fields_set)
    stands = {name: row[name] for name in ChangeEndpoint.__struct_fields__ if name not in ("endpoint", "state")}
    command = msgspec.convert({**stands, **given, "endpoint": row["id"], "state": body.state}, ChangeEndpoint)
    await ensure_signing_key(request, caller, gate, command.signing)
    await gate.ask(command, stream=stream(caller), caller=caller)
    answer = shown.endpoint(await known(gate, caller, endpoint_id))
    if row["state"] == "disabled" and body.state == "active":
        answer |= await missed(gate, caller, row)
    return Response(orjson.dumps(answer), media_type="application/json")


async def missed(gate: Gateway, caller: Caller, row: Row) -> dict[str, Any]:
    """What an endpoint that is active again has not got, and the call that sends it."""
    since, now = row["disabled_at"] - timedelta(hours=96), datetime.now(UTC)
    async with gate.reading(caller) as db:
        states = ("endpoint_disabled",)
        stopped = await queries.deliveries(db, limit=10_000, endpoint=row["id"], states=states, since=since)
        never = await queries.missed(db, row["id"], row["disabled_at"], now, 10_000)
    call = f"{BASE}/webhooks/endpoints/{row['id']}/recover"
    return {"missed_messages": len(stopped) + len(never), "recover_url": call}


@operation(router, "DELETE", "deleteEndpoint", status_code=204, responses=document.problems(404))
async def delete_endpoint(caller: Hooker, gate: Gate, endpoint_id: str) -> Response:
    """Remove and cancel what is queued"""
    row = await known(gate, caller, endpoint_id)
    await gate.ask(DeleteEndpoint(endpoint=row["id"]), stream=stream(caller), caller=caller)
    return Response(status_code=204)


@operation(
    router,
    "POST",
    "rotateSecret",
    openapi_extra=KEYED,
    responses={200: {"model": hooks.RotateOut, "description": "OK"}, **document.problems(400, 404, 409, 422)},
)
async def rotate_secret(
    request: Request, caller: Hooker, gate: Gate, endpoint_id: str, body: hooks.RotateIn | None = None
) -> Response:
    """New secret with overlap"""
    row, wish = await known(gate, caller, endpoint_id), body or hooks.RotateIn()
    ask = asked(request, caller, await request.body())
    secret = secret_of(request, wish.secret, ask)
    door: Door = request.app.state.door
    command = RotateEndpointSecret(
        endpoint=row["id"],
        secret=door.vault.seal(secret),
        legacy_header_uses=wish.legacy_header_uses,
        grace_seconds=wish.grace_seconds,
    )
    await gate.ask(command, stream=stream(caller), caller=caller, ask=ask)
    async with gate.reading(caller) as db:
        expires = await queries.previous_expiry(db, row["id"])
    answer = {"signing_secret": secret, "previous_expires_at": instant(expires)}
    return Response(orjson.dumps(answer), media_type="application/json")
