"""Who calls and as whom: tokens of this dialect, and the act-as pair (contract, sections 2 and 3)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog
from fastapi import Depends, Header, Request

from api.auth import Caller, at_least
from api.gateway import Gate, Gateway
from api.nx import scope
from api.nx.problems import Problem
from api.nx.wire import Json, known_id
from infra.identity import ExpiredToken, InvalidToken
from infra.postgres import Row
from projections.tenancy import queries

log = structlog.get_logger()
PREFIX = "nxcdb-"
KINDS = ("user", "organization", "channel_partner")
ActAsKind = Annotated[
    str | None, Header(alias="X-Act-As-Kind", json_schema_extra={"enum": list(KINDS)}, description="Absent: the user")
]
ActAsId = Annotated[
    str | None, Header(alias="X-Act-As-ID", json_schema_extra={"format": "uuid"}, description="UUID of that entity")
]


class Acting(msgspec.Struct, frozen=True):
    """A caller in the entity it acts as; `site`: the only one that it sees."""

    caller: Caller
    name: str
    site: str | None = None

    @property
    def entity(self) -> Json:
        """The acting entity as objects show it."""
        return {"UUID": self.caller.organisation, "Name": self.name, "Kind": "organization"}


class Person(msgspec.Struct, frozen=True):
    """Who holds the token, before any acting; `memberships` oldest first."""

    actor: str
    user: str | None
    memberships: list[Row]
    scope: scope.Scope


def presented(header: str | None) -> str:
    """The token in `Bearer <jwt>`, `Bearer nxcdb-<jwt>` or bare `nxcdb-<jwt>`.

    Errors: Problem 401.
    """
    kind, _, token = (header or "").strip().partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip().removeprefix(PREFIX)
    if kind.startswith(PREFIX) and not token:
        return kind.removeprefix(PREFIX)
    raise Problem(401, "A bearer token is missing", credential=True)


async def claims_of(request: Request, token: str) -> dict[str, Any]:
    """The claims of an access token for this dialect.

    Errors: Problem 401.
    """
    try:
        claims: dict[str, Any] = await request.app.state.identity.check("nx", token)
    except ExpiredToken as problem:
        raise Problem(401, "The token has expired", credential=True) from problem
    except InvalidToken as problem:
        raise Problem(401, "The token is not valid", credential=True) from problem
    if claims.get("typ", "accessToken") != "accessToken":
        raise Problem(401, "This is no access token", credential=True)
    return claims


async def known(request: Request, gate: Gateway) -> Person:
    """Who holds the presented token.

    Errors: Problem 401, 403.
    """
    claims = await claims_of(request, presented(request.headers.get("authorization")))
    asked = scope.parse(str(claims.get("scope", "")))
    user, session = claims.get("user"), claims.get("sid")
    async with gate.read("") as db:
        held = await queries.session(db, session) if session else None
        if session and (held is None or held["closed_at"] is not None):
            raise Problem(401, "The session has ended", credential=True)
        memberships = await queries.memberships(db, user) if user else []
    return Person(str(claims["sub"]), user, memberships if user else await foreign(gate, claims), asked)


async def foreign(gate: Gateway, claims: dict[str, Any]) -> list[Any]:
    """The one organisation that a site's or an outside issuer's token names."""
    organisation = known_id(str(claims.get("org") or ""))
    if organisation is None:
        return []
    async with gate.read(organisation) as db:
        row = await queries.organisation(db)
    role = str(claims.get("role") or "viewer").lower()
    return [] if row is None else [{"organisation": organisation, "name": row["name"], "role": role}]


def chosen(person: Person, kind: str | None, id: str | None) -> Row:
    """The membership to act in: the pair's organisation, or the person's own without one.

    Errors: Problem 400 for half a pair or a malformed one, 403 for an entity that is not the caller's.
    """
    if kind is None and id is not None:
        raise Problem(400, "X-Act-As-ID comes with X-Act-As-Kind", field="X-Act-As-Kind")
    if kind is not None and kind not in KINDS:
        raise Problem(400, f"X-Act-As-Kind is one of {', '.join(KINDS)}", field="X-Act-As-Kind")
    if kind not in (None, "user") and id is None:
        raise Problem(400, "X-Act-As-Kind comes with X-Act-As-ID", field="X-Act-As-ID")
    wanted = known_id(id) if id is not None else None
    if id is not None and wanted is None:
        raise Problem(400, "X-Act-As-ID is a UUID", field="X-Act-As-ID")
    fits = [m for m in person.memberships if kind in (None, "user") or m["organisation"] == wanted]
    myself = wanted is None or kind != "user" or wanted == user_uuid(person.user)
    if not fits or not myself or kind == "channel_partner":
        raise Problem(403, "You may not act as this entity", credential=True)
    return fits[0]


def user_uuid(user: str | None) -> str | None:
    """A person's id as this dialect writes it."""
    return str(UUID(user.removeprefix("user_"))) if user else None


def acting(api: str) -> Any:
    """A dependency: the caller of `api` (`cpt` or `dev`) in the entity it acts as."""

    async def check(request: Request, gate: Gate, kind: ActAsKind = None, id: ActAsId = None) -> Acting:
        person = await known(request, gate)
        if not person.scope.reaches(request.app.state.settings.api.public_url, api):
            raise Problem(403, "The token's scope does not cover this API", credential=True)
        membership = chosen(person, kind, id)
        caller = Caller(
            organisation=membership["organisation"],
            actor=person.actor,
            role=membership["role"],
            surface="nx",
            user=person.user,
            real_actor=person.actor if kind else None,
        )
        if kind not in (None, "user"):
            log.info("acting as an entity", actor=person.user, kind=kind, organisation=caller.organisation)
        return Acting(caller, membership["name"], person.scope.site)

    return check


def writing(api: str) -> Any:
    """The same, for what changes something: a viewer only reads."""

    reader = Depends(acting(api))

    async def check(who: Acting = reader) -> Acting:
        if not at_least(who.caller, "member"):
            raise Problem(403, "Your role only reads", credential=True)
        return who

    return check
