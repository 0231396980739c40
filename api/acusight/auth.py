"""Who calls: a person with a JWT, or a device with its key (contract 2)."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from api.acusight.problems import Problem, absent
from api.auth import Caller, Credential, at_least, bearer
from api.gateway import Gateway, Refused
from infra.identity import Identity, InvalidToken
from infra.postgres import Row
from infra.secrets import digest
from projections.fleet import queries as fleet
from projections.provisioning import queries as provisioning
from projections.tenancy import queries as tenancy
from schemas.ids import derived_id, is_id
from schemas.tenancy.messages import CreateOrganisation

KEY = re.compile(r"adk_[0-9a-f]{64}")
ROLES = ("viewer", "member", "admin", "owner")
BEARER = HTTPBearer(auto_error=False, scheme_name="bearerAuth")
DEVICE_KEY = APIKeyHeader(name="X-Device-Key", auto_error=False, scheme_name="deviceKey")
NOBODY = Problem("UNAUTHORIZED", "A valid credential is needed.")


async def user(request: Request) -> Caller:
    """A person with a token for this dialect."""
    identity: Identity = request.app.state.identity
    gate: Gateway = request.app.state.gateway
    token = bearer(request)
    if token is None:
        raise NOBODY
    try:
        claims = await identity.check("acusight", token)
    except InvalidToken:
        raise NOBODY from None
    organisation = await organisation_of(gate, claims)
    subject = str(claims["sub"])
    caller = Caller(organisation=organisation, actor=subject, role="viewer", surface="acusight", user=subject)
    return msgspec.structs.replace(caller, role=await role_of(gate, caller, claims))


async def organisation_of(gate: Gateway, claims: dict[str, Any]) -> str:
    """From the token; whose token names none gets an organisation of their own."""
    if not isinstance(claims.get("sub"), str):
        raise NOBODY
    said = claims.get("organization_id") or claims.get("org_id")
    if said is not None:
        if not isinstance(said, str) or not is_id(said):
            raise NOBODY
        return said.lower()
    own = derived_id(str(claims["iss"]), claims["sub"])
    there = await gate.recalled(("organisation", own), tenancy.organisation, own)
    if there is None:
        await create_organisation(gate, own, claims)
    return own


async def create_organisation(gate: Gateway, id: str, claims: dict[str, Any]) -> None:
    name = str(claims.get("name") or claims.get("email") or claims["sub"])[:255]
    caller = Caller(organisation=id, actor=str(claims["sub"]), role="owner", surface="acusight")
    try:
        await gate.ask(CreateOrganisation(name=name, slug=f"org-{id}"), stream=id, caller=caller)
    except Refused as refused:
        if refused.code != "conflict":
            raise


async def role_of(gate: Gateway, caller: Caller, claims: dict[str, Any]) -> str:
    """The highest role that the token names; without the claim, that of the membership, and a sole user's is admin."""
    said = claims.get("roles")
    if said is not None:
        named = [said] if isinstance(said, str) else said if isinstance(said, list) else []
        return max((role for role in named if role in ROLES), key=ROLES.index, default="none")
    members = await gate.recalled(("members", caller.organisation), tenancy.members, caller.organisation)
    roles = {row["user"]: str(row["role"]) for row in members}
    return roles.get(caller.actor, "viewer" if len(members) > 1 else "admin")


def needs(role: str) -> Credential[Caller]:
    async def checked(request: Request) -> Caller:
        caller = await user(request)
        if not at_least(caller, role):
            raise Problem("FORBIDDEN", f"This needs the role {role}.")
        return caller

    return Credential(BEARER, checked)


Viewer = Annotated[Caller, Depends(needs("viewer"))]
Member = Annotated[Caller, Depends(needs("member"))]
Admin = Annotated[Caller, Depends(needs("admin"))]


class Device(msgspec.Struct, frozen=True):
    """A device that showed its key; `row` is it as the fleet knows it."""

    caller: Caller
    row: Row

    @property
    def id(self) -> str:
        return str(self.row["id"])


async def device(request: Request) -> Device:
    """A device of any admission."""
    gate: Gateway = request.app.state.gateway
    key = request.headers.get(DEVICE_KEY.model.name)
    if key is None or not KEY.fullmatch(key):
        raise NOBODY
    wanted = digest(key)
    found = await gate.recalled(("device key", wanted), lambda db: provisioning.key_of(db, wanted))
    if found is None:
        raise NOBODY
    caller = Caller(
        organisation=found["organisation"],
        actor=f"device_{found['device']}",
        role="device",
        surface="acusight",
        device=found["device"],
    )
    async with gate.reading(caller) as db:
        row = await fleet.device(db, found["device"])
    if row is None:
        raise NOBODY
    return Device(caller, row)


async def admitted(request: Request) -> Device:
    """A device that has been let in."""
    known = await device(request)
    if known.row["status"] in ("PENDING", "REJECTED"):
        raise Problem("FORBIDDEN", "The device has not been approved.")
    return known


Known = Annotated[Device, Depends(Credential(DEVICE_KEY, device))]
Admitted = Annotated[Device, Depends(Credential(DEVICE_KEY, admitted))]


async def device_row(gate: Gateway, caller: Caller, device_id: str) -> Row:
    """The device of a path.

    Errors: Problem NOT_FOUND.
    """
    async with gate.reading(caller) as db:
        row = await fleet.device_called(db, device_id)
    if row is None:
        raise absent("device")
    return row
