"""Postgres: pools, codecs, and reads under row-level security."""

from __future__ import annotations

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


class Pooled(RuntimeError):
    """A transaction pooler stands before the server: what is set on a connection would reach another's reads."""


class Tenant(asyncpg.Connection):
    """A connection that remembers which organisation's rows it sees: reads of one follow each other without a word."""

    organisation: str | None = None

    async def enter(self, organisation: str) -> None:
        """Sets the organisation for what is read next; with an empty one no tenant's row is seen."""
        if self.organisation != organisation:
            self.organisation = None
            await self.execute("select set_config('sightlog.organisation', $1, false)", organisation)
            self.organisation = organisation


async def prepare(connection: asyncpg.Connection) -> None:
    """Ids travel as text, JSON as values.

    Errors: Pooled when the server that answers is not the one that was connected to.
    """
    if await connection.fetchval("select pg_backend_pid()") != connection.get_server_pid():
        raise Pooled("connect to Postgres itself: notices and row-level security need a session of their own")
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads
    )
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)


async def kept(_connection: asyncpg.Connection) -> None:
    """A connection goes back as it is: whoever takes it says whose rows it is to see."""


async def pool(dsn: str, *, size: int = 4) -> Pool:
    """A pool of at most `size` connections, all made on demand."""
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        init=prepare,
        reset=kept,
        command_timeout=30,
        connection_class=Tenant,
        statement_cache_size=256,
    )


async def connect(dsn: str) -> asyncpg.Connection:
    """One connection of its own: migrations, listening."""
    connection = await asyncpg.connect(dsn)
    await prepare(connection)
    return connection


class Reading:
    """`async with` a connection whose reads see the rows of one organisation (of none, when it is empty).

    Each statement sees what is committed when it begins, as it would in a transaction at this isolation level; so there
    is none, and a read is one round trip.
    """

    __slots__ = ("connection", "organisation", "pool")

    def __init__(self, pool: Pool, organisation: str) -> None:
        self.pool, self.organisation = pool, organisation
        self.connection: Any

    async def __aenter__(self) -> Any:
        self.connection = await self.pool.acquire()
        try:
            await self.connection.enter(self.organisation)
        except BaseException:
            await self.pool.release(self.connection)
            raise
        return self.connection

    async def __aexit__(self, kind: object, problem: object, trace: object) -> None:
        await self.pool.release(self.connection)
