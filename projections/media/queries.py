"""Reads of stored pictures."""

from __future__ import annotations

from infra.postgres import Connection, Row


async def image_of_bytes(db: Connection, sha256: str) -> Row | None:
    """The picture that has exactly these bytes."""
    sql = "select * from media.images where sha256 = $1 and discarded_at is null order by created_at limit 1"
    return await db.fetchrow(sql, sha256)


async def discarded(db: Connection, images: list[str]) -> list[Row] | None:
    """Rows once none of these pictures is kept."""
    rows = await db.fetch("select id, discarded_at from media.images where id = any($1::uuid[])", images)
    return rows if all(row["discarded_at"] for row in rows) else None


async def image_at(db: Connection, storage_key: str) -> Row | None:
    """The picture that lies at this key, kept or not."""
    return await db.fetchrow("select * from media.images where storage_key = $1", storage_key)


async def stored(db: Connection) -> int:
    """Bytes of the pictures that are kept."""
    return int(await db.fetchval("select coalesce(sum(size), 0) from media.images where discarded_at is null"))
