"""Organisations, people, memberships, keys and sign-in sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

import msgspec

from schemas.base import Envelope, Event
from schemas.tenancy.messages import (
    AddMember,
    ApiKeyCreated,
    ApiKeyRevoked,
    ChangeOrganisation,
    CloseSession,
    Commands,
    CreateApiKey,
    CreateOrganisation,
    CreateUser,
    Events,
    MemberAdded,
    MemberRemoved,
    OpenSession,
    OrganisationChanged,
    OrganisationCreated,
    OrganisationPlaced,
    PlaceOrganisation,
    RemoveMember,
    RevokeApiKey,
    RotateSession,
    SecondFactorSet,
    SecondFactorUsed,
    SessionClosed,
    SessionOpened,
    SessionRotated,
    SetSecondFactor,
    UserCreated,
    UseSecondFactor,
)
from streams.decision import Claim, Decider, Refusal

KINDS = frozenset({"organization", "channel_partner"})
ROLES = frozenset({"owner", "admin", "member", "viewer"})
PLATFORM = ""
"""Users and sessions belong to no organisation."""


class State(msgspec.Struct, frozen=True):
    """Any of the context's aggregates; `kind` says which, `live` whether it still counts."""

    kind: str = ""
    live: bool = False
    name: str = ""
    settings: dict[str, Any] = {}
    slug: str = ""
    email: str = ""
    role: str = ""
    digest: str = ""
    spent: tuple[str, ...] = ()
    partnering: bool = False
    partner: str | None = None
    secret: str | None = None
    step: int = 0
    expires_at: datetime | None = None


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Event, ...] | Refusal:
    match command:
        case CreateOrganisation() | ChangeOrganisation() | PlaceOrganisation():
            return organisation(state, command)
        case CreateUser() | SetSecondFactor() | UseSecondFactor():
            return user(state, command)
        case AddMember():
            return add_member(state, command)
        case RemoveMember():
            return (MemberRemoved(user=command.user),) if state.live else Refusal("unknown")
        case CreateApiKey():
            return begin(state, msgspec.convert(msgspec.structs.asdict(command), ApiKeyCreated))
        case RevokeApiKey():
            return (ApiKeyRevoked(),) if state.live else Refusal("unknown")
        case OpenSession() | RotateSession() | CloseSession():
            return session(state, command, meta)
        case _:
            assert_never(command)


def organisation(
    state: State, command: CreateOrganisation | ChangeOrganisation | PlaceOrganisation
) -> tuple[Event, ...] | Refusal:
    match command:
        case CreateOrganisation():
            return create_organisation(state, command)
        case ChangeOrganisation():
            return change_organisation(state, command)
        case PlaceOrganisation():
            return place(state, command)


def user(state: State, command: CreateUser | SetSecondFactor | UseSecondFactor) -> tuple[Event, ...] | Refusal:
    if isinstance(command, CreateUser):
        made = UserCreated(email=command.email.lower(), name=command.name, password_hash=command.password_hash)
        return begin(state, made)
    return second_factor(state, command)


def session(
    state: State, command: OpenSession | RotateSession | CloseSession, meta: Envelope
) -> tuple[Event, ...] | Refusal:
    match command:
        case OpenSession():
            return begin(state, msgspec.convert(msgspec.structs.asdict(command), SessionOpened))
        case RotateSession():
            return rotate(state, command, meta)
        case CloseSession():
            return (SessionClosed(reason=command.reason),) if state.live else ()


def begin(state: State, event: Event) -> tuple[Event, ...] | Refusal:
    return Refusal("conflict") if state.kind else (event,)


def create_organisation(state: State, command: CreateOrganisation) -> tuple[Event, ...] | Refusal:
    if command.kind not in KINDS:
        return Refusal("invalid", "no such kind of organisation", "kind")
    return begin(state, msgspec.convert(msgspec.structs.asdict(command), OrganisationCreated))


def place(state: State, command: PlaceOrganisation) -> tuple[Event, ...] | Refusal:
    """A partner stands above organisations, never under another partner."""
    if not state.live or state.partnering:
        return Refusal("unknown")
    return () if state.partner == command.partner else (OrganisationPlaced(partner=command.partner),)


def second_factor(state: State, command: SetSecondFactor | UseSecondFactor) -> tuple[Event, ...] | Refusal:
    """A one-time code serves once: neither it nor an older one is taken again (RFC 6238, 5.2)."""
    if not state.live:
        return Refusal("unknown")
    if isinstance(command, SetSecondFactor):
        return () if state.secret == command.secret else (SecondFactorSet(secret=command.secret),)
    if state.secret is None or command.step <= state.step:
        return Refusal("token.used")
    return (SecondFactorUsed(step=command.step),)


def change_organisation(state: State, command: ChangeOrganisation) -> tuple[Event, ...] | Refusal:
    if not state.live:
        return Refusal("unknown")
    name = state.name if command.name is None else command.name
    settings = {**state.settings, **(command.settings or {})}
    if (name, settings) == (state.name, state.settings):
        return ()
    return (OrganisationChanged(name=name, settings=settings),)


def add_member(state: State, command: AddMember) -> tuple[Event, ...] | Refusal:
    if command.role not in ROLES:
        return Refusal("invalid", "no such role", "role")
    return () if state.live and state.role == command.role else (MemberAdded(user=command.user, role=command.role),)


def rotate(state: State, command: RotateSession, meta: Envelope) -> tuple[Event, ...] | Refusal:
    """A refresh token serves once. One that was spent before is in two hands: the session ends (RFC 9700, 4.14.2)."""
    if not state.live or (state.expires_at and state.expires_at <= meta.time):
        return Refusal("session.invalid")
    if command.presented == state.digest:
        return (SessionRotated(digest=command.digest, expires_at=command.expires_at),)
    if command.presented in state.spent:
        return (SessionClosed(reason="reused"),)
    return Refusal("session.invalid")


def apply(state: State, event: Events, meta: Envelope) -> State:
    match event:
        case OrganisationCreated() | UserCreated() | MemberAdded() | ApiKeyCreated() | SessionOpened():
            return born(event)
        case OrganisationChanged():
            return msgspec.structs.replace(state, name=event.name, settings=event.settings)
        case OrganisationPlaced():
            return msgspec.structs.replace(state, partner=event.partner)
        case SecondFactorSet():
            return msgspec.structs.replace(state, secret=event.secret, step=0)
        case SecondFactorUsed():
            return msgspec.structs.replace(state, step=event.step)
        case SessionRotated():
            spent = (*state.spent, state.digest)
            return msgspec.structs.replace(state, digest=event.digest, spent=spent, expires_at=event.expires_at)
        case MemberRemoved() | ApiKeyRevoked() | SessionClosed():
            return msgspec.structs.replace(state, live=False)
        case _:
            assert_never(event)


def born(event: OrganisationCreated | UserCreated | MemberAdded | ApiKeyCreated | SessionOpened) -> State:
    match event:
        case OrganisationCreated():
            made = State(kind="organisation", live=True, name=event.name, slug=event.slug)
            partnering = event.kind == "channel_partner"
            return msgspec.structs.replace(made, settings={"timezone": event.timezone}, partnering=partnering)
        case UserCreated():
            return State(kind="user", live=True, email=event.email)
        case MemberAdded():
            return State(kind="member", live=True, role=event.role)
        case ApiKeyCreated():
            return State(kind="api_key", live=True)
        case SessionOpened():
            return State(kind="session", live=True, digest=event.digest, expires_at=event.expires_at)


def claims(state: State) -> tuple[Claim, ...]:
    if state.kind == "organisation":
        return (Claim("organisation.slug", state.slug, "name.taken", shared=True),)
    if state.kind == "user":
        return (Claim("user.email", state.email, "email.taken"),)
    return ()


DECIDER = Decider(State, INITIAL, decide, apply, claims)
