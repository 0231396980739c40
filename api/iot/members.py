"""Members of the organization and invitations (contract, 6.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.auth import Caller, at_least
from api.gateway import Gate, Gateway
from api.iot import plain
from api.iot.answers import (
    Answer,
    Body,
    Page,
    Paged,
    PageOf,
    Shown,
    Text,
    of,
    path_id,
    present,
    sent,
    stamp,
    told,
)
from api.iot.auth import Admin, Member
from api.iot.problems import Problem, absent, invalid
from infra.postgres import Row
from projections.records import queries as records
from projections.tenancy import queries as tenancy
from schemas.ids import derived_id
from schemas.tenancy.messages import AddMember, RemoveMember

router = APIRouter(prefix="/v1/organization", tags=["Organization"])
INVITATION = "invitation"
Role = Literal["OWNER", "ADMIN", "MEMBER"]
MemberId = Annotated[str, path_id("memberId")]
InvitationId = Annotated[str, path_id("invitationId")]
LASTS = timedelta(days=7)


class OrganizationMember(Shown):
    """Human member."""

    id: str
    user_id: str
    email: str
    name: str | None = None
    role: Role
    joined_at: datetime


class MemberUpdate(Body):
    role: Role


class Invitation(Shown):
    """Pending human access."""

    id: str
    email: str
    role: Role
    invited_by: str
    expires_at: datetime
    created_at: datetime


class InvitationCreate(Body):
    email: Annotated[Text, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
    role: Role


async def members(gate: Gateway, caller: Caller) -> list[dict[str, Any]]:
    """Everybody, oldest first; an id follows from organization and person."""
    async with gate.reading(caller) as db:
        rows = await tenancy.members(db)
        people = {row["user"]: await tenancy.user(db, row["user"]) for row in rows}
    return [member(caller, row, people[row["user"]]) for row in rows]


def member(caller: Caller, row: Row, person: Row | None) -> dict[str, Any]:
    return present(
        id=derived_id(caller.organisation, row["user"]),
        userId=row["user"],
        email=person["email"] if person else "",
        name=person["name"] or None if person else None,
        role="MEMBER" if row["role"] == "viewer" else row["role"].upper(),
        joinedAt=stamp(row["created_at"]),
    )


def cut(page: Page, found: list[dict[str, Any]]) -> Answer:
    """A page of what is all at hand."""
    ordered = found[::-1] if page.order[1] else found
    return page.answer(ordered[page.offset : page.offset + page.size], len(found))


@router.get("/members", **told(PageOf[OrganizationMember], 400))
async def list_members(caller: Member, page: Paged, gate: Gate) -> Answer:
    """List members"""
    return cut(page, await members(gate, caller))


async def changing(gate: Gateway, caller: Caller, id: str, role: str | None) -> dict[str, Any]:
    """A member who may get this role, or go.

    Errors: Problem 403 for what only owners do, 404, 409 for the last owner.
    """
    everybody = await members(gate, caller)
    found = next((one for one in everybody if one["id"] == of(id)), None)
    if found is None:
        raise absent()
    if "OWNER" in (found["role"], role) and not at_least(caller, "owner"):
        raise Problem(403, "INSUFFICIENT_ROLE", "This needs the role OWNER.")
    if found["role"] == "OWNER" != role and sum(one["role"] == "OWNER" for one in everybody) == 1:
        raise Problem(409, "INVALID_STATE", "An organization has an owner.")
    return found


@router.put("/members/{memberId}", **told(OrganizationMember, 400, 403, 404, 409, 413, body=MemberUpdate))
async def update_member(
    id: MemberId, caller: Admin, body: Annotated[MemberUpdate, Depends(sent(MemberUpdate))], gate: Gate
) -> Answer:
    """Change a role"""
    found = await changing(gate, caller, id, body.role)
    command = AddMember(user=found["userId"], role=body.role.lower())
    await gate.ask(command, stream=f"{caller.organisation}:{found['userId']}", caller=caller)
    return Answer({**found, "role": body.role})


@router.delete("/members/{memberId}", **told(None, 403, 404, 409, status=204))
async def remove_member(id: MemberId, caller: Admin, gate: Gate) -> Answer:
    """Remove a member"""
    found = await changing(gate, caller, id, None)
    stream = f"{caller.organisation}:{found['userId']}"
    await gate.ask(RemoveMember(user=found["userId"]), stream=stream, caller=caller)
    return Answer(None, 204)


def invitation(row: Row) -> dict[str, Any]:
    said = plain.shown(row, "email", "role", "expiresAt", invitedBy=row["created_by"])
    said.pop("updatedAt")
    return said


@router.get("/invitations", **told(PageOf[Invitation], 400, 403))
async def list_invitations(caller: Admin, page: Paged, gate: Gate) -> Answer:
    """Pending invitations"""
    also = [records.since("expiresAt", datetime.now(UTC))]
    rows, total = await plain.listed(gate, caller, INVITATION, page, also=also)
    return page.answer([invitation(row) for row in rows], total)


@router.post("/invitations", **told(Invitation, 400, 403, 409, 413, status=201, body=InvitationCreate))
async def create_invitation(
    request: Request, caller: Admin, body: Annotated[InvitationCreate, Depends(sent(InvitationCreate))], gate: Gate
) -> Answer:
    """Invite a person; one whose invitation has lapsed may be invited again"""
    if body.role == "OWNER" and not at_least(caller, "owner"):
        raise Problem(403, "INSUFFICIENT_ROLE", "This needs the role OWNER.")
    email = body.email.lower()
    if any(one["email"] == email for one in await members(gate, caller)):
        raise invalid("email", "CONFLICT", "is a member already", 409, "EMAIL_TAKEN")
    async with gate.reading(caller) as db:
        old, _ = await records.page(db, INVITATION, where={"email": email})
    for row in old:
        if datetime.fromisoformat(row["body"]["expiresAt"]) < datetime.now(UTC):
            await plain.retired(gate, caller, INVITATION, row["id"])
    until = stamp(datetime.now(UTC) + LASTS)
    id = await plain.created(request, gate, caller, INVITATION, {"email": email, "role": body.role, "expiresAt": until})
    return Answer(invitation(await plain.fetched(gate, caller, INVITATION, id)), 201)


@router.delete("/invitations/{invitationId}", **told(None, 403, 404, status=204))
async def revoke_invitation(id: InvitationId, caller: Admin, gate: Gate) -> Answer:
    """Revoke an invitation"""
    row = await plain.fetched(gate, caller, INVITATION, id)
    await plain.retired(gate, caller, INVITATION, row["id"])
    return Answer(None, 204)
