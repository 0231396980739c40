"""Clients for ClickHouse, and the one way to read from it: with the organisation named to the engine.

Locally and in production the same. `SQL_org` is what a row policy reads on a server: `USING organisation =
getSetting('SQL_org') OR getSetting('SQL_org') = '*'`, with `SQL_` among its `custom_settings_prefixes`.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.query import QueryResult

from infra.settings import Settings

EVERYONE = "*"
"""For what serves no organisation in particular: workers, rebuilds, counts."""


def options(settings: Settings, database: str | None = None) -> dict[str, Any]:
    """No session: one session runs one query at a time. No compression: local bytes are cheaper than cycles."""
    url = urlsplit(settings.clickhouse.url)
    return {
        "interface": url.scheme,
        "host": url.hostname,
        "port": url.port or (8443 if url.scheme == "https" else 8123),
        "username": settings.clickhouse.user,
        "password": settings.clickhouse.password.get_secret_value(),
        "database": database or settings.clickhouse.database,
        "autogenerate_session_id": False,
        "compress": False,
        "connect_timeout": 5,
    }


def client(settings: Settings, database: str | None = None) -> Client:
    """A client that blocks, for commands and migrations."""
    return clickhouse_connect.get_client(**options(settings, database))


async def async_client(settings: Settings, database: str | None = None) -> AsyncClient:
    """A client for services; it keeps its connections, so make one and hand it on."""
    return await clickhouse_connect.get_async_client(**options(settings, database))


def scoped(settings: Settings, organisation: str) -> dict[str, Any]:
    """What every read carries: whose rows it may see, and that it only reads."""
    scope = {"SQL_org": organisation} if settings.clickhouse.scope == "custom" else {}
    return {**scope, "readonly": 1}


async def read(
    link: AsyncClient,
    settings: Settings,
    sql: str,
    organisation: str,
    parameters: Mapping[str, Any] | None = None,
) -> QueryResult:
    """Rows that this organisation may see, whatever the SQL forgot to ask for."""
    return await link.query(sql, parameters=dict(parameters or {}), settings=scoped(settings, organisation))


async def insert(link: AsyncClient, table: str, rows: pa.Table, token: str) -> None:
    """Write one batch as one block, under a token that makes a repeat of it vanish.

    The client itself sends an insert again when the connection breaks, so none may go without a token.
    """
    sink = pa.BufferOutputStream()
    whole = rows.combine_chunks()
    with pa.ipc.new_stream(sink, whole.schema) as out:
        out.write_table(whole)
    await link.raw_insert(
        table,
        column_names=whole.column_names,
        insert_block=sink.getvalue().to_pybytes(),
        fmt="ArrowStream",
        settings={"insert_deduplication_token": token, "throw_on_max_partitions_per_insert_block": 0},
    )


class Reader:
    """The reads of one process. It connects on first use, so that the process starts while the server is away."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.link: AsyncClient | None = None
        self.lock = asyncio.Lock()

    async def rows(self, sql: str, organisation: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of one organisation by column name.

        Errors: OperationalError while the server is away.
        """
        found = await read(await self.connected(), self.settings, sql, organisation, parameters)
        return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]

    async def arrow(self, sql: str, organisation: str, **parameters: Any) -> pa.Table:
        """The same as columns, for what is much.

        Errors: OperationalError while the server is away.
        """
        link = await self.connected()
        found: pa.Table = await link.query_arrow(sql, parameters, scoped(self.settings, organisation), use_strings=True)
        return found

    async def connected(self) -> AsyncClient:
        async with self.lock:
            if self.link is None:
                self.link = await async_client(self.settings)
            return self.link

    async def close(self) -> None:
        if self.link is not None:
            await self.link.close()
