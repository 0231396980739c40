"""Bodies of messages: assembled from what is stored, few at a time in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infra.objects import Objects
from streams.webhooks.plan import assembled

ROOM = 128 << 20
"""Bytes of bodies on their way."""
KEPT = 32 << 20
"""Bytes of stored results that are kept for the next receiver of the same event."""


class Bodies:
    """Reads each stored result once for many receivers; holds back when too much is in memory."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.free = ROOM
        self.changed = asyncio.Condition()
        self.kept: OrderedDict[str, bytes] = OrderedDict()

    async def of(self, body: Any, base: str) -> bytes:
        """The bytes of a body. Errors: FileNotFoundError when it is no longer kept, or its result was erased."""
        if body is None:
            raise FileNotFoundError
        key = body.get("object")
        return assembled(body, b"" if key is None else await self.stored(key), base)

    async def stored(self, key: str) -> bytes:
        if key in self.kept:
            self.kept.move_to_end(key)
            if await self.objects.exists(key):
                return self.kept[key]
            self.kept.pop(key, None)
        found = await self.objects.get(key)
        self.kept[key] = found
        while sum(map(len, self.kept.values())) > KEPT:
            self.kept.popitem(last=False)
        return found

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Waits until so many bytes are free; the largest body always fits when nothing else is there."""
        asked = min(size, ROOM)
        async with self.changed:
            await self.changed.wait_for(lambda: self.free >= asked)
            self.free -= asked
        try:
            yield
        finally:
            async with self.changed:
                self.free += asked
                self.changed.notify_all()
