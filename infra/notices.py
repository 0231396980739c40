"""What came of commands and what has been recorded, as Postgres notices; what a notice is lost for is looked up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg
import orjson

from infra import postgres
from schemas.base import Envelope

LOOK = 0.25
"""Seconds after which the tables are asked for all that is waited for, in case a notice was lost."""
Outcome = list[Any]
"""As `notify.outcome` has it."""
FINGERPRINT, CODE, MISMATCH = -1, 5, "idempotency.mismatch"


class Waiter:
    """One that waits for the outcome of a command, then for the row that it made."""

    __slots__ = ("outcome", "place", "recorded", "request", "seen", "wanted")

    def __init__(self, context: str, request: Envelope) -> None:
        loop = asyncio.get_running_loop()
        self.place, self.request = (context, request.stream), request
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        self.recorded: asyncio.Future[None] = loop.create_future()
        self.seen, self.wanted = 0, 0

    def told(self, outcome: Outcome) -> None:
        """What came of the command. What was done for another request under the same key is a refusal for this one;
        the other's refusal for that is nothing to this one."""
        other = outcome[FINGERPRINT] != self.request.fingerprint
        if self.outcome.done() or (other and outcome[CODE] == MISMATCH):
            return
        code = MISMATCH if other else outcome[CODE]
        self.outcome.set_result([*outcome[:CODE], code, *outcome[CODE + 1 : FINGERPRINT]])

    def shown(self, version: int) -> None:
        """The projection has come to this version of the stream."""
        self.seen = max(self.seen, version)
        if self.wanted and self.seen >= self.wanted and not self.recorded.done():
            self.recorded.set_result(None)


class Notices:
    """Holds one connection for notices, and those who wait for them. `changed` is told which contexts recorded
    something of which organisations; None: notices may have been lost."""

    def __init__(self, dsn: str, changed: Callable[[set[tuple[str, str]] | None], None]) -> None:
        self.dsn, self.changed = dsn, changed
        self.pool: postgres.Pool
        self.listening = False
        self.commands: dict[str, list[Waiter]] = {}
        self.streams: dict[tuple[str, str], list[Waiter]] = {}

    @contextmanager
    def waiter(self, context: str, request: Envelope) -> Iterator[Waiter]:
        """To be entered before the command is sent."""
        waiter = Waiter(context, request)
        kept: list[tuple[dict[Any, list[Waiter]], Any]] = [(self.commands, request.id), (self.streams, waiter.place)]
        for table, key in kept:
            table.setdefault(key, []).append(waiter)
        try:
            yield waiter
        finally:
            for table, key in kept:
                table[key].remove(waiter)
                if not table[key]:
                    del table[key]

    async def listen(self) -> None:
        """For good; a lost connection is made again (what was missed meanwhile is looked up)."""
        while True:
            try:
                connection = await asyncpg.connect(self.dsn)
            except postgres.AWAY:
                await asyncio.sleep(0.5)
                continue
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _c, lost=lost: lost.set())
            try:
                await connection.add_listener("outcomes", self.on_outcomes)
                await connection.add_listener("recorded", self.on_recorded)
                self.changed(None)
                self.listening = True
                await lost.wait()
            except postgres.AWAY:
                pass
            finally:
                self.listening = False
                connection.terminate()

    def on_outcomes(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        self.hear_outcomes(orjson.loads(payload))

    def hear_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            for waiter in self.commands.get(outcome[0], ()):
                waiter.told(outcome)

    def on_recorded(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        told = orjson.loads(payload)
        for context, stream, version, organisation in told:
            for waiter in self.streams.get((context, stream), ()):
                if waiter.request.organisation == organisation:
                    waiter.shown(version)
        self.changed({(context, organisation) for context, _, _, organisation in told})

    async def until_recorded(self, waiter: Waiter, version: int, told: bool) -> None:
        """Waits for this version of the waiter's stream. `told`: a notice tells of it; else the table is asked."""
        waiter.wanted = version
        if not told:
            with suppress(*postgres.AWAY):
                await self.look_for([waiter])
        if waiter.seen < version:
            await waiter.recorded

    async def look(self) -> None:
        """For good: whoever has waited for a while is helped by the tables themselves."""
        late: set[Waiter] = set()
        while True:
            await asyncio.sleep(LOOK)
            waiting = {waiter for waiters in self.streams.values() for waiter in waiters}
            try:
                await self.look_for(late & waiting)
            except postgres.AWAY:
                continue
            late = waiting

    async def look_for(self, waiters: Collection[Waiter]) -> None:
        """Errors: those of Postgres."""
        if asked := [waiter.request.id for waiter in waiters if not waiter.outcome.done()]:
            rows = await self.pool.fetch(
                """select command, context, stream, version, events, code, detail, field, fingerprint
                   from streams.outcomes where command = any($1)""",
                asked,
            )
            self.hear_outcomes(list(row) for row in rows)
        for context in {waiter.place[0] for waiter in waiters if waiter.wanted}:
            behind = [waiter for waiter in waiters if waiter.place[0] == context and waiter.wanted]
            await self.look_for_rows(context, behind)

    async def look_for_rows(self, context: str, waiters: list[Waiter]) -> None:
        rows = await self.pool.fetch(
            f"""select organisation, stream, version from {context}.versions
                join unnest($1::text[], $2::text[]) k(organisation, stream) using (organisation, stream)""",
            [waiter.request.organisation for waiter in waiters],
            [waiter.place[1] for waiter in waiters],
        )
        versions = {(row["organisation"], row["stream"]): row["version"] for row in rows}
        for waiter in waiters:
            waiter.shown(versions.get((waiter.request.organisation, waiter.place[1]), 0))
