"""Sending commands and facts, and learning what came of them. The only way in to the log for `api` and the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from infra import kafka, postgres, reach
from infra.notices import LOOK, Notices, Outcome
from infra.settings import Settings
from infra.telemetry import trace_headers
from schemas import registry
from schemas.base import Command, Envelope, Fact, storable

Result = TypeVar("Result")
WAIT = 2.0
"""Seconds that a caller waits for an outcome and its row."""
UNSTORABLE = "Text holds the character U+0000, which cannot be stored."
PROBE = 2.0
"""Seconds between questions whether Kafka is there: while it is not, a write is refused at once."""
BUSY, GATHER = 8, 0.00025
"""With so many commands under way, those of a moment go out together, a moment of so many seconds for each under way:
one request to Kafka, not one each."""


class Done:
    """What came of a command that was done."""

    __slots__ = ("command", "context", "events", "stream", "version")

    def __init__(self, command: str, context: str, stream: str, version: int, events: int) -> None:
        self.command, self.context, self.stream, self.version, self.events = command, context, stream, version, events


class Refused(Exception):
    """The command was understood and not done: `code` of `schemas.refusals`, `detail`, `field`."""

    def __init__(self, code: str, detail: str | None = None, field: str | None = None) -> None:
        super().__init__(code)
        self.code, self.detail, self.field = code, detail, field


class Pending(Exception):
    """Accepted, and not decided or not readable within the time a caller waits."""

    def __init__(self, command: str, stream: str) -> None:
        super().__init__(command)
        self.command, self.stream = command, stream


class Unavailable(Exception):
    """The log (or the database) cannot be reached; nothing was accepted."""


class Reading(postgres.Reading):
    """With this module's errors."""

    async def __aenter__(self) -> Any:
        try:
            return await super().__aenter__()
        except postgres.AWAY as problem:
            raise Unavailable("postgres") from problem

    async def __aexit__(self, kind: object, problem: object, trace: object) -> None:
        try:
            await super().__aexit__(kind, problem, trace)
        except postgres.AWAY as lost:
            raise Unavailable("postgres") from lost
        if isinstance(problem, asyncpg.CharacterNotInRepertoireError):
            raise Refused("invalid", UNSTORABLE) from problem
        if isinstance(problem, postgres.AWAY):
            raise Unavailable("postgres") from problem


class Commands:
    """Publishes with acks=all and waits for outcomes and rows, both of which arrive as Postgres notices."""

    def __init__(self, settings: Settings, dsn: str | None = None, size: int = 8) -> None:
        self.settings = settings
        self.dsn = dsn or settings.postgres.service
        self.size = size
        self.producer: AIOKafkaProducer | None = None
        self.pool: postgres.Pool
        self.reachable = False
        self.notices = Notices(self.dsn, self.changed)
        self.changes: set[asyncio.Event] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.departure: asyncio.Event | None = None

    async def start(self) -> None:
        """Opens the pool; producer and listener connect when their servers are there."""
        self.pool = self.notices.pool = await postgres.pool(self.dsn, size=self.size)
        kept = self.notices.listen(), self.notices.look(), self.keep_producing()
        self.tasks = [asyncio.create_task(work) for work in kept]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.producer is not None:
            await self.producer.stop()
        await self.pool.close()

    def parts(self) -> dict[str, str]:
        """What `/readyz` says."""
        return {"kafka": "ok" if self.reachable else "away", "postgres": "ok" if self.notices.listening else "away"}

    async def keep_producing(self) -> None:
        while self.producer is None:
            producer = kafka.producer(self.settings)
            try:
                await producer.start()
                self.producer = producer
            except (KafkaError, OSError):
                await producer.stop()
                await asyncio.sleep(0.5)
        while True:
            self.reachable = await reach.listens(self.settings.kafka.bootstrap)
            await asyncio.sleep(PROBE if self.reachable else LOOK)

    def changed(self, told: set[tuple[str, str]] | None) -> None:
        """These contexts recorded something of these organisations; None: notices may have been lost."""
        for change in self.changes:
            change.set()

    async def send(self, body: Command | Fact, meta: Envelope) -> None:
        """Publishes with acks=all.

        Errors: Refused for text that no table can hold; Unavailable when Kafka does not take it in time.
        """
        if not storable(meta):
            raise Refused("unknown")
        if not storable(body):
            raise Refused("invalid", UNSTORABLE)
        if self.producer is None or not self.reachable:
            raise Unavailable("kafka")
        value = registry.encode(meta, body)
        headers = registry.headers(meta, body, trace_headers())
        try:
            async with asyncio.timeout(5):
                await self.producer.send_and_wait(body.TOPIC, value, key=meta.stream.encode(), headers=headers)
        except (KafkaError, TimeoutError, OSError) as problem:
            self.reachable = False
            raise Unavailable("kafka") from problem

    async def submit(self, command: Command, meta: Envelope, *, wait: float = WAIT) -> Done:
        """Sends a command; returns when it is done and the context's projection has recorded it.

        Errors: Refused; Pending after `wait` seconds; Unavailable.
        """
        with self.notices.waiter(command.CONTEXT, meta) as waiter:
            if len(self.notices.commands) > BUSY:
                await self.together()
            await self.send(command, meta)
            try:
                async with asyncio.timeout(wait):
                    done = judged(await waiter.outcome)
                    await self.notices.until_recorded(waiter, done.version, told=done.events > 0)
            except TimeoutError:
                raise Pending(meta.id, meta.stream) from None
            return done

    async def together(self) -> None:
        """Waits for the next common departure."""
        if self.departure is None:
            self.departure = asyncio.Event()
            asyncio.get_running_loop().call_later(GATHER * len(self.notices.commands), self.depart)
        await self.departure.wait()

    def depart(self) -> None:
        if self.departure is not None:
            self.departure.set()
            self.departure = None

    def read(self, organisation: str) -> Reading:
        """Reads under row-level security.

        Errors: Refused for text that no table can hold; Unavailable.
        """
        return Reading(self.pool, organisation)

    async def until(
        self, organisation: str, query: Callable[[Any], Awaitable[Result | None]], *, wait: float = WAIT
    ) -> Result | None:
        """The first row that `query` finds, looking again whenever something was recorded; None after `wait` seconds.

        Errors: Unavailable.
        """
        changed = asyncio.Event()
        self.changes.add(changed)
        deadline = asyncio.get_running_loop().time() + wait
        try:
            while True:
                changed.clear()
                async with self.read(organisation) as db:
                    if (row := await query(db)) is not None:
                        return row
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return None
                try:
                    async with asyncio.timeout(min(left, LOOK)):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            self.changes.discard(changed)


class Awake(Commands):
    """`Commands` that also sets `news` when anything of one context was recorded: there may be something to do."""

    def __init__(self, settings: Settings, context: str, size: int = 8) -> None:
        super().__init__(settings, size=size)
        self.context = context
        self.news = asyncio.Event()

    def changed(self, told: set[tuple[str, str]] | None) -> None:
        super().changed(told)
        if told is None or any(context == self.context for context, _ in told):
            self.news.set()


def judged(outcome: Outcome) -> Done:
    command, context, stream, version, events, code, detail, field = outcome
    if code is not None:
        raise Refused(code, detail, field)
    return Done(command, context, stream, version, events)
