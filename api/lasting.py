"""Answers that hold until their organisation records something: built once, then sent as they are."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import Caller
from api.gateway import Gateway, Unavailable
from infra.telemetry import LASTING

MOST, LARGEST = 10_000, 64 << 10
"""Answers of one process, and bytes of one."""
SECONDS = 30.0
"""Longest that an answer is kept, should a notice be lost on the way."""
Question = tuple[str, str, str, str, bytes]
"""Organisation, actor, role, path, query: what another caller was told is nobody else's answer."""


class Kept(msgspec.Struct, frozen=True):
    """An answer as it was sent. `at`: how far notices had come when it was asked for."""

    at: int
    until: float
    start: Message
    body: bytes


class Lasting:
    """In front of a surface: the routes in `names` show nothing but what events of the caller's own organisation made,
    so what they said stays true until a notice of the next one. The credential is checked each time by `known`, which
    raises `refusal`."""

    def __init__(
        self,
        app: ASGIApp,
        gateway: Gateway,
        known: Callable[[Request], Awaitable[Caller]],
        refusal: type[Exception],
        names: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self.gateway, self.known, self.refusal = app, gateway, known, refusal
        self.names, self.clock = names, clock
        self.kept: dict[Question, Kept] = {}
        self.places: set[tuple[str, bytes]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not self.gateway.notices.listening:
            await self.app(scope, receive, send)
        elif (scope["path"], scope["query_string"]) in self.places and (kept := await self.found(scope)) is not None:
            LASTING.labels("kept").inc()
            await send({**kept.start})
            await send({"type": "http.response.body", "body": kept.body})
        else:
            await self.answered(scope, receive, send)

    async def found(self, scope: Scope) -> Kept | None:
        request = Request({**scope, "app": self.app})
        if "if-none-match" in request.headers:
            return None
        try:
            caller = await self.known(request)
        except (self.refusal, Unavailable):  # the surface says so, in its own form
            return None
        kept = self.kept.get(question(caller, scope))
        if kept is None or self.clock() > kept.until or self.gateway.changed_since(caller.organisation, kept.at):
            return None
        return kept

    async def answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By the surface; kept when it was a whole answer of one of the routes."""
        at, until, parts = self.gateway.heard, self.clock() + SECONDS, []

        async def heard(message: Message) -> None:
            parts.append({**message})  # what is sent is added to on its way out
            await send(message)

        await self.app(scope, receive, heard)
        route, caller = scope.get("route"), scope.get("state", {}).get("caller")
        if caller is None or getattr(route, "name", None) not in self.names or not whole(parts):
            return
        if len(self.kept) >= MOST:
            self.kept.clear()
            self.places.clear()
        LASTING.labels("built").inc()
        start, body = parts
        self.kept[question(caller, scope)] = Kept(at, until, start, body["body"])
        self.places.add((scope["path"], scope["query_string"]))


def question(caller: Caller, scope: Scope) -> Question:
    return caller.organisation, caller.actor, caller.role, scope["path"], scope["query_string"]


def whole(parts: list[Any]) -> bool:
    """Whether it was a 200 in one piece."""
    return len(parts) == 2 and parts[0]["status"] == 200 and len(parts[1].get("body", b"")) <= LARGEST
