"""Who calls and as whom: tokens of this dialect, and the act-as pair (contract, sections 2 and 3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
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
    """A caller in the entity it acts as: `caller.organisation` is where new things go. `others` are seen as well: a
    person's further organisations, or those under a channel partner. `site`: the only one that is seen."""

    caller: Caller
    name: str
    kind: str = "organization"
    site: str | None = None
    others: tuple[Acting, ...] = ()

    @property
    def entity(self) -> Json:
        """The acting entity as objects show it."""
        return {"UUID": self.caller.organisation, "Name": self.name, "Kind": self.kind}

    def each(self) -> Iterator[Acting]:
        """Itself and the others, each in its own organisation."""
        yield self
        yield from self.others

    async def owning(self, gate: Gateway, *finds: Callable[[Any], Awaitable[Any]]) -> Acting:
        """The same, led by the organisation where something is found; as it is where nothing is.

        `finds` are tried one after the other, each in every organisation.
        """
        for find in finds if self.others else ():
            for one in self.each():
                async with gate.reading(one.caller) as db:
                    if await find(db) is not None:
                        return self.led_by(one)
        return self

    def led_by(self, one: Acting) -> Acting:
        rest = tuple(other for other in self.each() if other is not one)
        return msgspec.structs.replace(one, others=tuple(msgspec.structs.replace(each, others=()) for each in rest))


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
    return (
        [] if row is None else [{"organisation": organisation, "name": row["name"], "kind": row["kind"], "role": role}]
    )


def chosen(person: Person, kind: str | None, id: str | None) -> list[Row]:
    """The memberships to act in, the one for new things first: the pair's, or all of the person's without one.

    Errors: Problem 400 for half a pair or a malformed one, 403 for an entity that is not the caller's.
    """
    wanted = paired(kind, id)
    if kind in (None, "user"):
        fits = person.memberships if wanted in (None, user_uuid(person.user)) else []
    else:
        fits = [m for m in person.memberships if m["organisation"] == wanted and m["kind"] == kind]
    if not fits:
        raise Problem(403, "You may not act as this entity", credential=True)
    return fits


def paired(kind: str | None, id: str | None) -> str | None:
    """The id of a well-formed pair.

    Errors: Problem 400.
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
    return wanted


def user_uuid(user: str | None) -> str | None:
    """A person's id as this dialect writes it."""
    return str(UUID(user.removeprefix("user_"))) if user else None


async def reach(gate: Gateway, person: Person, kind: str | None, id: str | None) -> list[Any]:
    """The organisations to act in; a channel partner has those under it, with the role that the person has there."""
    fits: list[Any] = chosen(person, kind, id)
    if kind != "channel_partner" or person.user is None:
        return fits
    async with gate.read("") as db:
        under = await queries.under_partner(db, fits[0]["organisation"], person.user)
    return [*fits, *({**row, "kind": "organization", "role": fits[0]["role"]} for row in under)]


def acting(api: str) -> Any:
    """A dependency: the caller of `api` (`cpt` or `dev`) in the entity it acts as."""

    async def check(request: Request, gate: Gate, kind: ActAsKind = None, id: ActAsId = None) -> Acting:
        person = await known(request, gate)
        if not person.scope.reaches(request.app.state.settings.api.public_url, api):
            raise Problem(403, "The token's scope does not cover this API", credential=True)
        first, *more = [entity(person, row, kind) for row in await reach(gate, person, kind, id)]
        if kind not in (None, "user"):
            log.info("acting as an entity", actor=person.user, kind=kind, organisation=first.caller.organisation)
        return msgspec.structs.replace(first, others=tuple(more))

    return check


def entity(person: Person, membership: Any, kind: str | None) -> Acting:
    caller = Caller(
        organisation=membership["organisation"],
        actor=person.actor,
        role=membership["role"],
        surface="nx",
        user=person.user,
        real_actor=person.actor if kind else None,
    )
    return Acting(caller, membership["name"], membership["kind"], person.scope.site)


def writing(api: str) -> Any:
    """The same, for what makes something new: a viewer only reads."""

    reader = Depends(acting(api))

    async def check(who: Acting = reader) -> Acting:
        return writer(who)

    return check


def writer(who: Acting) -> Acting:
    """Errors: Problem 403."""
    if not at_least(who.caller, "member"):
        raise Problem(403, "Your role only reads", credential=True)
    return who


Find = Callable[[Any, str], Awaitable[Any]]


def where(api: str, parameter: str, *finds: Find, writes: bool = False) -> Any:
    """A dependency: the caller in the organisation where one of `finds` finds what the path names."""

    reader = Depends(acting(api))

    async def check(request: Request, gate: Gate, who: Acting = reader) -> Acting:
        if (id := known_id(request.path_params[parameter])) is not None:
            who = await who.owning(gate, *(partial(found, find, id) for find in finds))
        return writer(who) if writes else who

    async def found(find: Find, id: str, db: Any) -> Any:
        return await find(db, id)

    return check
