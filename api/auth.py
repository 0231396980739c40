"""Who calls: the same on every surface, however the dialect says it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec
from fastapi import Request
from fastapi.security.base import SecurityBase

from infra.identity import Dialect

Found = TypeVar("Found")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A checked credential. `actor` is the principal as the dialect names it (`user_…`, `key_…`, an e-mail, a device);
    `role` one of owner, admin, member, viewer, device; `device` the id behind a device's own key; `real_actor` who is
    behind it when acting as somebody else."""

    organisation: str
    actor: str
    role: str
    surface: Dialect
    scopes: frozenset[str] = frozenset()
    device: str | None = None
    user: str | None = None
    real_actor: str | None = None
    claims: dict[str, object] = {}


RANKS = {"viewer": 0, "member": 1, "admin": 2, "owner": 3}


def at_least(caller: Caller, role: str) -> bool:
    """Whether the caller's role reaches `role` (viewer < member < admin < owner)."""
    return RANKS.get(caller.role, -1) >= RANKS[role]


class Credential(SecurityBase, Generic[Found]):
    """A dependency that finds who calls, and shows `scheme` in the document. One step, not one for each thing that it
    needs: resolving dependencies is a good part of what a read costs."""

    def __init__(self, scheme: SecurityBase, find: Callable[[Request], Awaitable[Found]]) -> None:
        self.model, self.scheme_name, self.find = scheme.model, scheme.scheme_name, find

    async def __call__(self, request: Request) -> Found:
        return await self.find(request)


def bearer(request: Request) -> str | None:
    """The bearer token (RFC 6750, 2.1), if there is one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
