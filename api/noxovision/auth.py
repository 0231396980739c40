"""API keys and their scopes (contract, section 3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from api.auth import Caller, bearer
from api.noxovision.problems import Problem

PREFIX = "nvk_"
SCOPES = ("submit", "read", "webhooks", "allowlist", "admin")


def presented(request: Request) -> str | None:
    """The key in its own header, or as a bearer token."""
    header: str = request.app.state.settings.noxovision.key_header
    key = request.headers.get(header)
    return bearer(request) if key is None else key


async def known(request: Request) -> Caller:
    """Who calls.

    Errors: Problem 401 for a key that is missing, unknown, revoked, or of another dialect.
    """
    key = presented(request)
    if key is None or not key.startswith(PREFIX):
        raise Problem(401, "unauthorized", "give an API key")
    row = await request.app.state.gateway.api_key(key)
    if row is None or row["surface"] != "noxovision":
        raise Problem(401, "unauthorized", "give an API key")
    return Caller(
        organisation=row["organisation"],
        actor=row["id"],
        role=row["role"],
        surface="noxovision",
        scopes=frozenset(row["scopes"]),
    )


def scoped(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A caller whose key has the scope (`admin` has all)."""

    async def check(request: Request) -> Caller:
        caller = await known(request)
        if not caller.scopes & {scope, "admin"}:
            raise Problem(403, "missing_scope", f"the key lacks the scope {scope}")
        return caller

    return check


Submitter = Annotated[Caller, Depends(scoped("submit"))]
Reader = Annotated[Caller, Depends(scoped("read"))]
Hooker = Annotated[Caller, Depends(scoped("webhooks"))]
