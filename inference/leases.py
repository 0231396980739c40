"""Leases of tasks: asked for, renewed, watched, given back. What a worker says of its tasks goes by commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import msgspec
import structlog
from obstore.exceptions import BaseError

from infra.commands import Awake, Pending, Refused, Unavailable
from infra.postgres import AWAY, Row
from infra.telemetry import span
from projections.analysis import queries
from schemas.analysis.messages import (
    CompleteTask,
    FailTask,
    ReleaseTask,
    RenewLease,
    StartTask,
)
from schemas.base import Command, asking
from schemas.ids import new_id

log = structlog.get_logger()
Result = TypeVar("Result")
RENEW = 10.0
WATCH = 0.3
"""Seconds between looks at whether the leases still hold: a cancelled task stops within a second."""
OFFERED = 8
"""Candidates looked at in one go."""
PAUSE = 0.5


class Held(msgspec.Struct, eq=False):
    """A task that is ours; `gone` is set when it no longer is: cancelled, past its deadline, or lost."""

    lease: str
    job: str
    task: str
    kind: str
    organisation: str
    input: dict[str, Any]
    models: list[dict[str, Any]]
    options: dict[str, Any]
    request_id: str
    traceparent: str
    gone: asyncio.Event

    @classmethod
    def of(cls, row: Row, lease: str) -> Held:
        names = ("job", "task", "kind", "organisation", "input", "models", "options", "request_id", "traceparent")
        return cls(lease=lease, gone=asyncio.Event(), **{name: row[name] for name in names})

    def span(self, name: str) -> AbstractContextManager[Any]:
        """A span in the job's trace."""
        return span(name, {"traceparent": self.traceparent})


class Leases:
    """The leases of one worker."""

    def __init__(self, commands: Awake, worker: str) -> None:
        self.commands = commands
        self.worker = worker
        self.held: dict[str, Held] = {}
        self.turn = asyncio.Lock()

    async def take(self) -> Held | None:
        """The best task that the decider grants us; None when there is none to have."""
        async with self.turn:
            refused: set[str] = set()
            for row in await self.candidates():
                if row["job"] in refused:
                    continue
                held = Held.of(row, new_id())
                start = StartTask(task=held.task, lease=held.lease, worker=self.worker)
                if await self.say(held, start):
                    self.held[held.lease] = held
                    return held
                refused.add(held.job)
            return None

    async def candidates(self) -> list[Row]:
        try:
            async with self.commands.pool.acquire() as db:
                return await queries.take_candidates(db, self.worker, OFFERED, list(self.held))
        except AWAY:
            await asyncio.sleep(PAUSE)
            return []

    async def say(self, held: Held, command: Command) -> bool:
        """Sends a command until it is decided; False when it was refused, or the lease went meanwhile."""
        meta = asking(held.job, organisation=held.organisation, actor=self.worker)
        while not held.gone.is_set():
            try:
                with held.span(type(command).__name__):
                    await self.commands.submit(command, meta)
                return True
            except Refused as refusal:
                log.info("not ours", job=held.job, task=held.task, code=refusal.code)
                return False
            except (Pending, Unavailable, *AWAY):
                await asyncio.sleep(PAUSE)
        return False

    async def complete(self, held: Held, output: dict[str, Any]) -> None:
        await self.settle(held, CompleteTask(task=held.task, lease=held.lease, output=output))

    async def fail(self, held: Held, code: str, message: str, retryable: bool) -> None:
        failed = FailTask(task=held.task, lease=held.lease, code=code, message=message, retryable=retryable)
        await self.settle(held, failed)

    async def release(self, held: Held, *, lost: bool = False) -> None:
        await self.settle(held, ReleaseTask(task=held.task, lease=held.lease, lost=lost))

    async def settle(self, held: Held, command: Command) -> None:
        """The last word on a task; it is ours until it is said."""
        try:
            await self.say(held, command)
        finally:
            self.drop(held)

    def drop(self, held: Held) -> None:
        self.held.pop(held.lease, None)

    async def renew(self) -> None:
        """Says every ten seconds that we are still at it."""
        while True:
            await asyncio.sleep(RENEW)
            await asyncio.gather(*(self.renewed(held) for held in list(self.held.values())))

    async def renewed(self, held: Held) -> None:
        meta = asking(held.job, organisation=held.organisation, actor=self.worker)
        try:
            with held.span(RenewLease.__name__):
                await self.commands.submit(RenewLease(task=held.task, lease=held.lease), meta)
        except Refused:
            held.gone.set()
        except (Pending, Unavailable, *AWAY):
            log.warning("lease not renewed", job=held.job, task=held.task)

    async def watch(self) -> None:
        """Sees within a second that a task is no longer ours."""
        while True:
            await asyncio.sleep(WATCH)
            if not self.held:
                continue
            leases = list(self.held)
            try:
                async with self.commands.pool.acquire() as db:
                    still = await queries.held(db, leases)
            except AWAY:
                continue
            for lease in leases:
                if lease not in still and lease in self.held:
                    self.held[lease].gone.set()

    async def patiently(self, held: Held, work: Callable[[], Awaitable[Result]]) -> Result | None:
        """Does `work` until the object store is there again; None when the lease went meanwhile."""
        while not held.gone.is_set():
            try:
                return await work()
            except FileNotFoundError:
                raise
            except (BaseError, OSError) as problem:
                log.warning("waiting for the object store", job=held.job, problem=type(problem).__name__)
                await asyncio.sleep(PAUSE)
        return None
