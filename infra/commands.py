"""Sending commands and facts, and learning what came of them. The only way in to the log for `api` and the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import orjson
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from infra import kafka, postgres
from infra.settings import Settings
from infra.telemetry import trace_headers
from schemas import registry
from schemas.base import Command, Envelope, Fact, storable

log = structlog.get_logger()
Result = TypeVar("Result")
WAIT = 2.0
"""Seconds that a caller waits for an outcome and its row."""
UNSTORABLE = "Text holds the character U+0000, which cannot be stored."
PROBE = 2.0
"""Seconds between questions whether Kafka is there: while it is not, a write is refused at once."""
LOOK = 0.25
"""Seconds after which the tables are asked, in case a notice was lost."""
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
        self.listening = False
        self.reachable = False
        self.outcomes: dict[str, asyncio.Future[list[Any]]] = {}
        self.recorded: dict[tuple[str, str], list[asyncio.Future[int]]] = {}
        self.changes: set[asyncio.Event] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.departure: asyncio.Event | None = None

    async def start(self) -> None:
        """Opens the pool; producer and listener connect when their servers are there."""
        self.pool = await postgres.pool(self.dsn, size=self.size)
        self.tasks = [asyncio.create_task(self.keep_listening()), asyncio.create_task(self.keep_producing())]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.producer is not None:
            await self.producer.stop()
        await self.pool.close()

    def parts(self) -> dict[str, str]:
        """What `/readyz` says."""
        return {"kafka": "ok" if self.reachable else "away", "postgres": "ok" if self.listening else "away"}

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
            self.reachable = await listens(self.settings.kafka.bootstrap)
            await asyncio.sleep(PROBE if self.reachable else LOOK)

    async def keep_listening(self) -> None:
        """Holds one connection for notices; a lost one is made again (what was missed meanwhile is looked up)."""
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
        for outcome in orjson.loads(payload):
            future = self.outcomes.get(outcome[0])
            if future is not None and not future.done():
                future.set_result(outcome)

    def on_recorded(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        told = orjson.loads(payload)
        for context, stream, version, _ in told:
            for future in self.recorded.get((context, stream), ()):
                if not future.done():
                    future.set_result(version)
        self.changed({(context, organisation) for context, _, _, organisation in told})

    def changed(self, _told: set[tuple[str, str]] | None) -> None:
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
        loop = asyncio.get_running_loop()
        outcome = self.outcomes.setdefault(meta.id, loop.create_future())
        place = (command.CONTEXT, meta.stream)
        recorded: asyncio.Future[int] = loop.create_future()
        self.recorded.setdefault(place, []).append(recorded)
        try:
            if len(self.outcomes) > BUSY:
                await self.together()
            await self.send(command, meta)
            async with asyncio.timeout(wait):
                done = judged(await self.settled(outcome, lambda: self.find_outcome(meta)))
                if done.events == 0 or not (recorded.done() and recorded.result() >= done.version):
                    await self.until_recorded(place, meta.organisation, done, recorded)
                return done
        except TimeoutError:
            raise Pending(meta.id, meta.stream) from None
        finally:
            self.outcomes.pop(meta.id, None)
            self.forget(place, recorded)

    async def together(self) -> None:
        """Waits for the next common departure."""
        if self.departure is None:
            self.departure = asyncio.Event()
            asyncio.get_running_loop().call_later(GATHER * len(self.outcomes), self.depart)
        await self.departure.wait()

    def depart(self) -> None:
        if self.departure is not None:
            self.departure.set()
            self.departure = None

    def forget(self, place: tuple[str, str], future: asyncio.Future[int]) -> None:
        waiting = self.recorded.get(place, [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self.recorded.pop(place, None)

    async def settled(
        self, future: asyncio.Future[Result], look: Callable[[], Awaitable[Result | None]], pause: float = LOOK
    ) -> Result:
        """The notice, or what a look at the tables finds when the notice was lost."""
        while True:
            done, _ = await asyncio.wait({future}, timeout=pause)
            if done:
                return future.result()
            try:
                found = await look()
            except postgres.AWAY:
                continue
            if found is not None:
                return found

    async def find_outcome(self, meta: Envelope) -> list[Any] | None:
        """As the notice has it; an outcome of another request under the same key is a refusal."""
        row = await self.pool.fetchrow(
            """select command, context, stream, version, events,
                      case when fingerprint = $2 then code else 'idempotency.mismatch' end, detail, field
               from streams.outcomes where command = $1""",
            meta.id,
            meta.fingerprint,
        )
        return None if row is None else list(row)

    async def until_recorded(
        self, place: tuple[str, str], organisation: str, done: Done, first: asyncio.Future[int]
    ) -> None:
        """Waits until the projection is at the command's version. With no event there is no notice: look at once."""

        async def look() -> int | None:
            version = await self.version(place, organisation)
            return version if version >= done.version else None

        if done.events == 0 and await look() is not None:
            return
        if await self.settled(first, look) < done.version:
            await self.settled(asyncio.get_running_loop().create_future(), look, 0.01)

    async def version(self, place: tuple[str, str], organisation: str) -> int:
        context, stream = place
        sql = f"select version from {context}.versions where organisation = $1 and stream = $2"
        found = await self.pool.fetchval(sql, organisation, stream)
        return found or 0

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


async def listens(bootstrap: str) -> bool:
    """Whether any bootstrap server takes a connection."""
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            async with asyncio.timeout(2):
                _, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError):
            continue
        writer.close()
        return True
    return False


def judged(outcome: list[Any]) -> Done:
    command, context, stream, version, events, code, detail, field = outcome
    if code is not None:
        raise Refused(code, detail, field)
    return Done(command, context, stream, version, events)
