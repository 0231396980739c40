"""Tenancy events as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from projections.rows import Change, Drop, Put, Row, Values, stamps
from schemas.base import Envelope
from schemas.tenancy.messages import (
    ApiKeyCreated,
    ApiKeyRevoked,
    Events,
    MemberAdded,
    MemberRemoved,
    OrganisationChanged,
    OrganisationCreated,
    OrganisationPlaced,
    SecondFactorSet,
    SecondFactorUsed,
    SessionClosed,
    SessionOpened,
    SessionRotated,
    UserCreated,
)

Organisations = OrganisationCreated | OrganisationChanged | OrganisationPlaced
People = UserCreated | SecondFactorSet | SecondFactorUsed
Sessions = SessionOpened | SessionRotated | SessionClosed


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    at = {"version": meta.version, "updated_at": meta.time}
    born = {**at, "created_at": meta.time}
    match event:
        case OrganisationCreated() | OrganisationChanged() | OrganisationPlaced():
            yield organisation(event, meta, at)
        case UserCreated() | SecondFactorSet() | SecondFactorUsed():
            yield person(event, meta, at)
        case MemberAdded():
            yield Put("members", {"organisation": meta.organisation, "user": event.user}, {**born, "role": event.role})
        case MemberRemoved():
            yield Drop("members", {"organisation": meta.organisation, "user": event.user})
        case ApiKeyCreated():
            yield Put("api_keys", {"id": meta.stream}, {**stamps(meta), **born, **api_key(event, meta)})
        case ApiKeyRevoked():
            yield Change("api_keys", {"id": meta.stream}, {**at, "revoked_at": meta.time})
        case SessionOpened() | SessionRotated() | SessionClosed():
            yield session(event, meta, at)
        case _:
            assert_never(event)


def organisation(event: Organisations, meta: Envelope, at: Values) -> Row:
    key = {"organisation": meta.stream}
    match event:
        case OrganisationCreated():
            values = {"name": event.name, "slug": event.slug, "kind": event.kind}
            settings = {"settings": {"timezone": event.timezone}}
            return Put("organisations", key, {**at, "created_at": meta.time, **values, **settings})
        case OrganisationChanged():
            return Change("organisations", key, {**at, "name": event.name, "settings": event.settings})
        case OrganisationPlaced():
            return Change("organisations", key, {**at, "partner": event.partner})


def person(event: People, meta: Envelope, at: Values) -> Row:
    match event:
        case UserCreated():
            values = {"email": event.email, "name": event.name, "password_hash": event.password_hash}
            return Put("users", {"id": meta.stream}, {**at, "created_at": meta.time, **values})
        case SecondFactorSet():
            return Change("users", {"id": meta.stream}, {**at, "second_factor": event.secret})
        case SecondFactorUsed():
            return Change("users", {"id": meta.stream}, at)


def session(event: Sessions, meta: Envelope, at: Values) -> Row:
    key = {"id": meta.stream}
    match event:
        case SessionOpened():
            values = {"user": event.user, "client": event.client, "scope": event.scope}
            held = {"digest": event.digest, "expires_at": event.expires_at}
            return Put("sessions", key, {**at, "created_at": meta.time, **values, **held})
        case SessionRotated():
            return Change("sessions", key, {**at, "digest": event.digest, "expires_at": event.expires_at})
        case SessionClosed():
            return Change("sessions", key, {**at, "closed_at": meta.time})


def api_key(event: ApiKeyCreated, meta: Envelope) -> dict[str, object]:
    return {
        "surface": event.surface,
        "name": event.name,
        "digest": event.digest,
        "prefix": event.prefix,
        "role": event.role,
        "scopes": list(event.scopes),
        "created_by": meta.actor,
        "expires_at": event.expires_at,
    }
