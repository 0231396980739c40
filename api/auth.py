"""Who calls: the same on every surface, however the dialect says it."""

from __future__ import annotations

import msgspec

from infra.identity import Dialect


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
