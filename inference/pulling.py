"""Work that is pulled: the queue's next row, one at a time, each under a lease of its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress

import structlog

from infra.commands import Commands, Pending, Refused, Unavailable
from infra.postgres import AWAY, Connection, Row
from schemas.base import Command, asking

log = structlog.get_logger()
LOOK = 5.0
"""Seconds after which the queue is asked even if no notice came."""
PAUSE = 0.5
OFFERED = 8


class Puller(ABC):
    """Takes one row after the other. What is cut off is taken up again: by this worker after its restart, by another
    when the lease lapses."""

    def __init__(self, commands: Commands, worker: str) -> None:
        self.commands = commands
        self.worker = worker

    @abstractmethod
    async def queue(self, db: Connection) -> list[Row]:
        """What waits, or was this worker's when it was stopped: id, organisation and what the work needs."""

    @abstractmethod
    async def leased(self, db: Connection, id: str, lease: str) -> bool:
        """Whether the row is under this lease."""

    @abstractmethod
    async def work(self, row: Row) -> None:
        """Does one of them and reports."""

    async def run(self) -> None:
        """Works until cancelled."""
        changed = asyncio.Event()
        self.commands.changes.add(changed)
        while True:
            changed.clear()
            for row in await self.waiting():
                await self.work(row)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await changed.wait()
            await asyncio.sleep(PAUSE)

    async def waiting(self) -> list[Row]:
        try:
            async with self.commands.pool.acquire() as db:
                return await self.queue(db)
        except AWAY:
            return []

    async def take(self, row: Row, lease: str, start: Command) -> bool:
        """Whether the lease was granted: what was lost too often is failed instead."""
        if not await self.say(row, start):
            return False
        try:
            async with self.commands.pool.acquire() as db:
                return await self.leased(db, row["id"], lease)
        except AWAY:
            return False

    async def say(self, row: Row, command: Command) -> bool:
        """Sends a command until it is decided; False when it was refused."""
        meta = asking(row["id"], organisation=row["organisation"], actor=self.worker)
        while True:
            try:
                await self.commands.submit(command, meta)
                return True
            except Refused as refused:
                log.info("not ours", stream=row["id"], code=refused.code)
                return False
            except (Pending, Unavailable, *AWAY):
                await asyncio.sleep(PAUSE)
