"""Tokens, enrolment, organization: what is served with and without `/core` (contract 5.2 to 5.5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from api.acusight import wire
from api.acusight.answers import Answer, List, Paged, Success, good, told
from api.acusight.auth import Admin, Viewer
from api.acusight.body import sent
from api.acusight.problems import Problem, absent, invalid
from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, Pending, Refused, asked
from infra.postgres import Row
from infra.secrets import digest, repeatable_hex
from infra.settings import Settings
from projections.fleet import queries as fleet
from projections.provisioning import queries as provisioning
from projections.tenancy import queries as tenancy
from schemas.ids import is_id
from schemas.provisioning.messages import CreateProvisioningToken, EnrolDevice, RevokeProvisioningToken
from schemas.tenancy.messages import ChangeOrganisation

TOKEN = re.compile(r"apt_[0-9a-f]{64}")
KIND = "provisioning"
router = APIRouter()


def settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


def secret(request: Request, prefix: str, ask: Ask) -> str:
    """Drawn from the request's identity, so that a repeat under the same Idempotency-Key shows the same one."""
    return repeatable_hex(prefix, settings(request).secrets.keys()[0], ask.id)


@router.post(
    "/provisioning-tokens", **told(Success[wire.TokenCreated], 400, 401, 403, status=201, body=wire.TokenCreate)
)
async def create_provisioning_token(
    request: Request, caller: Admin, body: Annotated[wire.TokenCreate, Depends(sent(wire.TokenCreate))], gate: Gate
) -> Answer:
    """Mint an enrolment token; its secret is shown here only."""
    ask = asked(request, caller, request.state.raw)
    id, shown = ask.entity("token"), secret(request, "apt_", ask)
    expires = None if body.expires_in_days is None else datetime.now(UTC) + timedelta(days=body.expires_in_days)
    command = CreateProvisioningToken(
        name=body.name, digest=digest(shown), expires_at=expires, single_use=body.single_use
    )
    await gate.ask(command, stream=id, caller=caller, ask=ask)
    row = await token_row(gate, caller, id)
    setup = f"curl -sSL {settings(request).api.public_url}/setup | sh -s -- {shown}"
    same = {name: row[name] for name in ("id", "name", "single_use", "created_at", "expires_at")}
    return good({**same, "token": shown, "setup_command": setup}, 201)


async def token_row(gate: Gateway, caller: Caller, id: str) -> Row:
    async with gate.reading(caller) as db:
        row = await provisioning.token(db, id, KIND)
    if row is None:
        raise absent("provisioning token")
    return row


@router.get("/provisioning-tokens", **told(List[wire.Token], 400, 401, 403))
async def list_provisioning_tokens(caller: Admin, page: Paged, gate: Gate) -> Answer:
    """Enrolment tokens, newest first."""
    async with gate.reading(caller) as db:
        rows, total = await provisioning.tokens(db, KIND, limit=page.limit, offset=page.offset)
    return page.answer([wire.token(row) for row in rows], total)


async def token_id(id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> str:
    if not is_id(id):
        raise invalid("id", "is not a UUID")
    return id.lower()


@router.delete("/provisioning-tokens/{id}", **told(Success[wire.TokenRevoked], 400, 401, 403, 404))
async def revoke_provisioning_token(caller: Admin, id: Annotated[str, Depends(token_id)], gate: Gate) -> Answer:
    """Revoke an enrolment token; devices that it let in keep working."""
    await token_row(gate, caller, id)
    try:
        await gate.ask(RevokeProvisioningToken(), stream=id, caller=caller)
    except Refused as refused:
        if refused.code in ("invalid_state", "token.used"):
            raise invalid("id", "the token is revoked already") from None
        raise
    row = await token_row(gate, caller, id)
    return good({"id": id, "revoked_at": row["revoked_at"]})


@router.post("/devices/provision", **told(Success[wire.Provisioned], 400, 401, 409, status=201, body=wire.Provision))
async def provision_device(
    request: Request, body: Annotated[wire.Provision, Depends(sent(wire.Provision))], gate: Gate
) -> Answer:
    """Trade a token for a device key; the key is shown here only."""
    token = await shown_token(gate, body.token)
    caller = Caller(organisation=token["organisation"], actor=f"token_{token['id']}", role="device", surface="acusight")
    ask = asked(request, caller, request.state.raw)
    device, key = ask.entity("device"), secret(request, "adk_", ask)
    await must_be_new(gate, caller, body.device_info.device_id, device)
    await gate.ask(enrolling(body.device_info, token, key), stream=device, caller=caller, ask=ask)
    if await gate.shown(caller, lambda db: fleet.device(db, device)) is None:
        raise Pending(ask.id, device)
    await gate.shown(caller, lambda db: provisioning.counted(db, token["id"], device))
    shown = body.device_info.device_id
    said = {"device_id": shown, "endpoint_id": shown, "api_key": key}
    return good({**said, "api_endpoint": settings(request).api.public_url}, 201)


async def shown_token(gate: Gateway, shown: str) -> Row:
    """The token in any organisation. Whether it still counts is decided with the enrolment."""
    row = None
    if TOKEN.fullmatch(shown):
        async with gate.read("") as db:
            row = await provisioning.token_of(db, digest(shown), KIND)
    if row is None:
        raise Problem("INVALID_TOKEN", "The provisioning token is not valid.")
    return row


async def must_be_new(gate: Gateway, caller: Caller, external_id: str, device: str) -> None:
    """A device that came in through another dialect holds its id as well."""
    async with gate.reading(caller) as db:
        there = await fleet.device_by_external_id(db, external_id)
        enrolled = there is not None and await provisioning.enrolment(db, there["id"]) is not None
    if there is not None and there["id"] != device and not enrolled:
        raise Problem("DEVICE_EXISTS", "The device is enrolled already.", f"device_id: {external_id}")


def enrolling(info: wire.DeviceInfo, token: Row, key: str) -> EnrolDevice:
    return EnrolDevice(
        token=token["id"],
        single_use=token["single_use"],
        token_expires_at=token["expires_at"],
        external_id=info.device_id,
        name=info.name or f"Device {info.device_id[:12]}",
        key_digest=digest(key),
        hardware_version=info.hardware_version or info.hardware_id,
        agent_version=info.agent_version,
        ip_address=info.ip_address,
    )


@router.get("/organization", **told(Success[wire.Organization], 401, 403, 404))
async def get_organization(caller: Viewer, gate: Gate) -> Answer:
    """The caller's organization."""
    return good(wire.organization(await organisation_row(gate, caller)))


@router.patch("/organization", **told(Success[wire.Organization], 400, 401, 403, 404, body=wire.OrganizationUpdate))
async def update_organization(
    caller: Admin, body: Annotated[wire.OrganizationUpdate, Depends(sent(wire.OrganizationUpdate))], gate: Gate
) -> Answer:
    """Rename the organization; its slug stays."""
    row = await organisation_row(gate, caller)
    settings: dict[str, Any] | None = None
    if body.settings is not None:
        settings = {"acusight": wire.settings_of(row) | body.settings.model_dump(exclude_unset=True)}
    await gate.ask(ChangeOrganisation(name=body.name, settings=settings), stream=caller.organisation, caller=caller)
    return good(wire.organization(await organisation_row(gate, caller)))


async def organisation_row(gate: Gateway, caller: Caller) -> Row:
    async with gate.reading(caller) as db:
        row = await tenancy.organisation(db)
    if row is None:
        raise absent("organization")
    return row
