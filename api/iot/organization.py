"""The calling principal, the organization, and API keys (contract, 6.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import plain
from api.iot.answers import (
    Answer,
    Body,
    Name,
    Paged,
    PageOf,
    Shown,
    Text,
    moment,
    of,
    path_id,
    present,
    sent,
    stamp,
    told,
)
from api.iot.auth import KEY, Admin, Member
from api.iot.members import Role, cut
from api.iot.places import Zone
from api.iot.problems import absent, invalid
from infra.postgres import Row
from infra.secrets import digest, mint
from projections.tenancy import queries as tenancy
from schemas.ids import new_id
from schemas.tenancy.messages import ChangeOrganisation, CreateApiKey, RevokeApiKey

router = APIRouter(prefix="/v1", tags=["Organization"])
ApiKeyId = Annotated[str, path_id("apiKeyId")]
STREAM = "key_"
SETTINGS = ("timezone", "autoCreateSensors", "readingRetentionDays")


class Principal(Shown):
    """Who is calling."""

    principal_type: Literal["USER", "API_KEY"]
    principal_id: str
    organization_id: str
    role: Role
    display_name: str | None = None
    email: str | None = None


class Organization(Shown):
    """The tenant."""

    id: str
    name: str
    slug: str
    timezone: str | None = None
    auto_create_sensors: bool | None = None
    reading_retention_days: int | None = None
    created_at: datetime


class OrganizationUpdate(Body):
    name: Name | None = None
    timezone: Zone | None = None
    auto_create_sensors: bool | None = None
    reading_retention_days: int | None = Field(default=None, ge=0, le=36_500)


class ApiKey(Shown):
    """Key for programs."""

    id: str
    name: str
    prefix: str
    role: Role
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    created_by: str
    created_at: datetime


class ApiKeyCreate(Body):
    name: Annotated[Text, Field(min_length=1, max_length=80)]
    role: Literal["ADMIN", "MEMBER"] = "ADMIN"
    expires_at: datetime | None = None


class ApiKeyCreated(Shown):
    """The secret is shown once."""

    id: str
    name: str
    key: str
    prefix: str
    role: Role
    expires_at: datetime | None = None
    created_at: datetime


@router.get("/me", **told(Principal))
async def get_me(caller: Member, gate: Gate) -> Answer:
    """Calling principal"""
    said = {"principalId": caller.actor, "organizationId": caller.organisation, "role": caller.role.upper()}
    async with gate.reading(caller) as db:
        if caller.user is not None:
            person = await tenancy.user(db, caller.user)
            about = present(displayName=person["name"] or None, email=person["email"]) if person else {}
            return Answer({"principalType": "USER", **said, **about})
        named = next((row["name"] for row in await tenancy.api_keys(db) if row["id"] == caller.actor), None)
    return Answer({"principalType": "API_KEY", **said, **present(displayName=named)})


async def organization(gate: Gateway, caller: Caller) -> dict[str, Any]:
    async with gate.reading(caller) as db:
        row = await tenancy.organisation(db)
    if row is None:
        raise absent()
    kept = {"timezone": "UTC", "autoCreateSensors": True, "readingRetentionDays": 0, **row["settings"]}
    said = {"id": row["organisation"], "name": row["name"], "slug": row["slug"]}
    return {**said, **{name: kept[name] for name in SETTINGS}, "createdAt": stamp(row["created_at"])}


@router.get("/organization", **told(Organization))
async def get_organization(caller: Member, gate: Gate) -> Answer:
    """Current organization"""
    return Answer(await organization(gate, caller))


@router.put("/organization", **told(Organization, 400, 403, 413, body=OrganizationUpdate))
async def update_organization(
    caller: Admin, body: Annotated[OrganizationUpdate, Depends(sent(OrganizationUpdate))], gate: Gate
) -> Answer:
    """Change organization settings"""
    settings = {name: value for name, value in plain.members(body).items() if name in SETTINGS}
    command = ChangeOrganisation(name=body.name, settings=settings or None)
    await gate.ask(command, stream=caller.organisation, caller=caller)
    return Answer(await organization(gate, caller))


async def keys(gate: Gateway, caller: Caller) -> list[Row]:
    """Live keys of this dialect, newest first."""
    async with gate.reading(caller) as db:
        rows = await tenancy.api_keys(db)
    return [row for row in rows if row["surface"] == "iot" and row["revoked_at"] is None]


def shown(row: Row) -> dict[str, Any]:
    return present(
        id=row["id"].removeprefix(STREAM),
        name=row["name"],
        prefix=row["prefix"],
        role=row["role"].upper(),
        expiresAt=stamp(row["expires_at"]),
        createdBy=row["created_by"],
        createdAt=stamp(row["created_at"]),
    )


@router.get("/api-keys", **told(PageOf[ApiKey], 400, 403))
async def list_api_keys(caller: Admin, page: Paged, gate: Gate) -> Answer:
    """List API keys"""
    return cut(page, [shown(row) for row in reversed(await keys(gate, caller))])


@router.post("/api-keys", **told(ApiKeyCreated, 400, 403, 413, status=201, body=ApiKeyCreate, keyed=False))
async def create_api_key(
    caller: Admin, body: Annotated[ApiKeyCreate, Depends(sent(ApiKeyCreate))], gate: Gate
) -> Answer:
    """Create an API key"""
    until = moment(body.expires_at) if body.expires_at else None
    if until is not None and until <= datetime.now(UTC):
        raise invalid("expiresAt", "OUT_OF_RANGE", "lies in the past")
    secret, stream = mint(f"{KEY}live_"), f"{STREAM}{new_id()}"
    command = CreateApiKey(
        surface="iot",
        name=body.name,
        digest=digest(secret),
        prefix=secret[:12],
        role=body.role.lower(),
        expires_at=until,
    )
    await gate.ask(command, stream=stream, caller=caller)
    (row,) = [row for row in await keys(gate, caller) if row["id"] == stream]
    said = shown(row)
    said.pop("createdBy")
    return Answer({**said, "key": secret}, 201)


@router.delete("/api-keys/{apiKeyId}", **told(None, 403, 404, status=204))
async def revoke_api_key(id: ApiKeyId, caller: Admin, gate: Gate) -> Answer:
    """Revoke an API key"""
    stream = f"{STREAM}{of(id)}"
    if not any(row["id"] == stream for row in await keys(gate, caller)):
        raise absent()
    await gate.ask(RevokeApiKey(), stream=stream, caller=caller)
    return Answer(None, 204)
