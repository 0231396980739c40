"""Whether the servers that a process needs take connections: for `/readyz`, and before anything is promised."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from urllib.parse import urlsplit

from infra.settings import Settings

PATIENCE = 2.0
"""Seconds for a connection."""
DEFAULT_PORTS = {"http": 8123, "https": 8443, "postgres": 5432, "postgresql": 5432}


async def listens(server: str) -> bool:
    """Whether any of these takes a connection: `host:port`, several with commas between them."""
    for each in server.split(","):
        host, _, port = each.strip().rpartition(":")
        try:
            async with asyncio.timeout(PATIENCE):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError):
            continue
        writer.close()
        return True
    return False


def place(url: str) -> str:
    """`host:port` of a URL."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or DEFAULT_PORTS[parts.scheme]}"


async def parts(settings: Settings, needs: Collection[str]) -> dict[str, str]:
    """Each of `kafka`, `postgres`, `clickhouse` that is needed: `ok` or `away`."""
    servers = {
        "kafka": lambda: settings.kafka.bootstrap,
        "postgres": lambda: place(settings.postgres.service),
        "clickhouse": lambda: place(settings.clickhouse.url),
    }
    found = await asyncio.gather(*(listens(servers[name]()) for name in needs))
    return {name: "ok" if there else "away" for name, there in zip(needs, found, strict=True)}
