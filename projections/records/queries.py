"""Reads of plain records of any kind: one, list with filters, search, sort and page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.postgres import Connection, Row

COLUMNS = "id, kind, version, number, body, created_by, updated_by, created_at, updated_at"
SORTS = {"created_at": "created_at", "updated_at": "updated_at", "name": "lower(name)", "id": "id"}


async def one(db: Connection, kind: str, id: str) -> Row | None:
    """A live record by its id."""
    sql = f"select {COLUMNS} from records.records where kind = $1 and id = $2 and retired_at is null"
    return await db.fetchrow(sql, kind, id)


async def by_number(db: Connection, kind: str, number: int) -> Row | None:
    """A live record by its integer (dialects with integer ids)."""
    sql = f"select {COLUMNS} from records.records where kind = $1 and number = $2 and retired_at is null"
    return await db.fetchrow(sql, kind, number)


async def page(
    db: Connection,
    kind: str,
    *,
    where: Mapping[str, Any] | None = None,
    search: str | None = None,
    sort: str = "created_at",
    descending: bool = True,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[Row], int]:
    """Live records whose body holds all of `where`, and how many there are in all. `search`: part of the name."""
    condition = """kind = $1 and retired_at is null and body @> $2
                   and ($3::text is null or strpos(lower(name), lower($3)) > 0)"""
    order = f"{SORTS[sort]} {'desc' if descending else 'asc'}, id {'desc' if descending else 'asc'}"
    rows = await db.fetch(
        f"select {COLUMNS} from records.records where {condition} order by {order} limit $4 offset $5",
        kind, dict(where or {}), search, limit, offset,
    )  # fmt: skip
    total = await db.fetchval(f"select count(*) from records.records where {condition}", kind, dict(where or {}), search)
    return rows, total


async def counts_by_site(db: Connection, kind: str, sites: list[str]) -> dict[str, int]:
    """How many live records of a kind each of these sites has."""
    rows = await db.fetch(
        """select site, count(*) as n from records.records
           where kind = $1 and retired_at is null and site = any($2) group by site""",
        kind,
        sites,
    )
    return {row["site"]: row["n"] for row in rows}
