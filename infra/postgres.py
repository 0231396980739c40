"""Postgres: pools, codecs, and reads under row-level security."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson

Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection
Pool = asyncpg.Pool
Row = asyncpg.Record

AWAY = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that the server is about to close, taken by another coroutine
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
    OSError,
    TimeoutError,
)
"""What a server that is down, starting or stopping raises: worth waiting for."""


async def prepare(connection: asyncpg.Connection) -> None:
    """Ids travel as text, JSON as values."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads
    )
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)


async def kept(_connection: asyncpg.Connection) -> None:
    """Nothing of a session outlives its transaction here, so a connection goes back as it is."""


async def pool(dsn: str, *, size: int = 4) -> Pool:
    """A pool of at most `size` connections, all made on demand."""
    return await asyncpg.create_pool(dsn, min_size=0, max_size=size, init=prepare, reset=kept, command_timeout=30)


async def connect(dsn: str) -> asyncpg.Connection:
    """One connection of its own: migrations, listening."""
    connection = await asyncpg.connect(dsn)
    await prepare(connection)
    return connection


@asynccontextmanager
async def reading(pool: Pool, organisation: str) -> AsyncIterator[Any]:
    """A read-only transaction that sees the rows of one organisation (of none, when it is empty)."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute("select set_config('sightlog.organisation', $1, true)", organisation)
        yield connection
