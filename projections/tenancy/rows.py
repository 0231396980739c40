"""Tenancy events as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from projections.rows import Change, Drop, Put, Row, stamps
from schemas.base import Envelope
from schemas.tenancy.messages import (
    ApiKeyCreated,
    ApiKeyRevoked,
    Events,
    MemberAdded,
    MemberRemoved,
    OrganisationChanged,
    OrganisationCreated,
    SessionClosed,
    SessionOpened,
    SessionRotated,
    UserCreated,
)


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    at = {"version": meta.version, "updated_at": meta.time}
    born = {**at, "created_at": meta.time}
    match event:
        case OrganisationCreated():
            values = {"name": event.name, "slug": event.slug, "settings": {"timezone": event.timezone}}
            yield Put("organisations", {"organisation": meta.stream}, {**born, **values})
        case OrganisationChanged():
            yield Change(
                "organisations", {"organisation": meta.stream}, {**at, "name": event.name, "settings": event.settings}
            )
        case UserCreated():
            values = {"email": event.email, "name": event.name, "password_hash": event.password_hash}
            yield Put("users", {"id": meta.stream}, {**born, **values})
        case MemberAdded():
            yield Put("members", {"organisation": meta.organisation, "user": event.user}, {**born, "role": event.role})
        case MemberRemoved():
            yield Drop("members", {"organisation": meta.organisation, "user": event.user})
        case ApiKeyCreated():
            yield Put("api_keys", {"id": meta.stream}, {**stamps(meta), **born, **api_key(event, meta)})
        case ApiKeyRevoked():
            yield Change("api_keys", {"id": meta.stream}, {**at, "revoked_at": meta.time})
        case SessionOpened():
            values = {"user": event.user, "client": event.client, "scope": event.scope}
            yield Put(
                "sessions",
                {"id": meta.stream},
                {**born, **values, "digest": event.digest, "expires_at": event.expires_at},
            )
        case SessionRotated():
            yield Change(
                "sessions", {"id": meta.stream}, {**at, "digest": event.digest, "expires_at": event.expires_at}
            )
        case SessionClosed():
            yield Change("sessions", {"id": meta.stream}, {**at, "closed_at": meta.time})
        case _:
            assert_never(event)


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
