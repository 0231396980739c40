"""`submit()`: the API's only way to the log, and its reads under row-level security.

The API never writes to a store and never decides. Each surface reads its own writes, because `submit` returns when the
projection has the command's events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Request

from api.auth import Caller
from api.lookups import OWNERS, Lookups
from infra.commands import WAIT, Commands, Done, Pending, Refused, Unavailable
from infra.postgres import Row
from infra.secrets import digest
from infra.settings import Settings
from projections.tenancy import queries as tenancy
from schemas.base import Command, Fact, asking
from schemas.ids import derived_id, new_id

__all__ = ["Ask", "Done", "Gate", "Gateway", "Pending", "Refused", "Unavailable", "asked"]
Result = TypeVar("Result")


class Ask(msgspec.Struct, frozen=True):
    """Identity of a request that creates something: the same `Idempotency-Key` gives the same ids again."""

    id: str
    keyed: bool = False
    fingerprint: str = ""

    def entity(self, name: str = "entity") -> str:
        """Id of the thing that the request creates."""
        return derived_id(self.id, name) if self.keyed else new_id()

    def step(self, name: str) -> Ask:
        """Identity of a further command of the same request."""
        return Ask(derived_id(self.id, name), self.keyed, self.fingerprint)


def asked(request: Request, caller: Caller, body: bytes = b"") -> Ask:
    """The request's identity: uuid5 of organisation, actor, route and `Idempotency-Key`, or a new one without it.
    `body` is what must be equal in a repeat."""
    key = request.headers.get("idempotency-key")
    if not key:
        return Ask(new_id())
    place = f"{caller.surface}/{caller.organisation}/{caller.actor}/{request.method} {request.scope['path']}/{key}"
    return Ask(derived_id(place, "command"), True, hashlib.sha256(body).hexdigest())


class Gateway(Commands):
    """`Commands` as the role that row-level security binds, with a caller instead of an envelope."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, settings.postgres.api, size=8)
        self.lookups = Lookups()
        self.heard = 0
        self.lost = 0
        self.changes_of: dict[str, int] = {}

    def changed(self, told: set[tuple[str, str]] | None) -> None:
        super().changed(told)
        self.heard += 1
        if told is None:
            self.lost = self.heard
        for _, organisation in told or ():
            self.changes_of[organisation] = self.heard
        if told is None or any(context in OWNERS for context, _ in told):
            self.lookups.forget()

    def changed_since(self, organisation: str, heard: int) -> bool:
        """Whether the organisation recorded anything (or may have) after so many notices."""
        return max(self.lost, self.changes_of.get(organisation, 0)) > heard

    async def ask(
        self,
        command: Command,
        *,
        stream: str,
        caller: Caller,
        ask: Ask | None = None,
        organisation: str | None = None,
        wait: float = WAIT,
    ) -> Done:
        """Sends a command of a caller; returns when it is done and readable. `organisation`: "" for platform streams.

        Errors: Refused, Pending, Unavailable.
        """
        meta = asking(
            stream,
            organisation=caller.organisation if organisation is None else organisation,
            actor=caller.actor,
            id=ask.id if ask else None,
            fingerprint=ask.fingerprint if ask else "",
        )
        return await self.submit(command, meta, wait=wait)

    async def tell(self, fact: Fact, *, stream: str, caller: Caller, ask: Ask | None = None) -> None:
        """Publishes a fact; returns when the log has it.

        Errors: Unavailable.
        """
        await self.send(
            fact, asking(stream, organisation=caller.organisation, actor=caller.actor, id=ask.id if ask else None)
        )

    def reading(self, caller: Caller) -> AbstractAsyncContextManager[Any]:
        """Reads that see the caller's organisation."""
        return self.read(caller.organisation)

    async def recalled(
        self, question: tuple[str, ...], query: Callable[[Any], Awaitable[Result]], organisation: str = ""
    ) -> Result:
        """What `query` finds of who may call (tenancy, provisioning): remembered until either records anything."""

        async def look() -> Result:
            async with self.read(organisation) as db:
                return await query(db)

        return await (self.lookups.ask(question, look) if self.notices.listening else look())

    async def api_key(self, secret: str) -> Row | None:
        """The live API key that is this secret, of any dialect."""
        wanted = digest(secret)
        row = await self.recalled(("api key", wanted), lambda db: tenancy.key(db, wanted))
        lapsed = row is not None and row["expires_at"] is not None and row["expires_at"] <= datetime.now(UTC)
        return None if lapsed else row

    async def shown(self, caller: Caller, query: Callable[[Any], Awaitable[Result | None]]) -> Result | None:
        """What another context's projection shows in the end, after reactions; None when it takes too long."""
        return await self.until(caller.organisation, query)


async def gateway(request: Request) -> Gateway:
    """Not a plain function: FastAPI would send those through a thread, for each request."""
    found: Gateway = request.app.state.gateway
    return found


Gate = Annotated[Gateway, Depends(gateway)]
