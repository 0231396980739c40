"""Reads of plain records of any kind: one, list with filters, search, sort and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from infra.postgres import Connection, Row

COLUMNS = "id, kind, version, number, body, created_by, updated_by, created_at, updated_at"
SORTS = {"created_at": "created_at", "updated_at": "updated_at", "name": "lower(name)", "id": "id"}


class Also(msgspec.Struct, frozen=True):
    """A condition beside `where`, made by the functions below; `{}` is where its value goes."""

    sql: str
    value: Any


def among(member: str, values: Sequence[str]) -> Also:
    """The member is one of these."""
    return Also(f"body ->> '{member}' = any({{}})", list(values))


def only(ids: Sequence[str]) -> Also:
    return Also("id = any({})", list(ids))


def since(member: str, at: datetime) -> Also:
    return Also(f"(body ->> '{member}')::timestamptz >= {{}}", at)


def before(member: str, at: datetime) -> Also:
    return Also(f"(body ->> '{member}')::timestamptz < {{}}", at)


def not_after(member: str, at: datetime) -> Also:
    return Also(f"(body ->> '{member}')::timestamptz <= {{}}", at)


def running(member: str, at: datetime) -> Also:
    """What has no end, or ends later."""
    return Also(f"coalesce((body ->> '{member}')::timestamptz > {{}}, true)", at)


def on_device(first: str, second: str, device: str) -> Also:
    """One of two members names a component of the device."""
    components = "select c.id from records.records c where c.kind = 'component' and c.device = {}"
    return Also(f"array[body ->> '{first}', body ->> '{second}'] && array({components})", device)


def until(start: str, end: str, at: datetime) -> Also:
    """What lasts to `at` or beyond: by its end, or by its start where it is a point."""
    return Also(f"coalesce(body ->> '{end}', body ->> '{start}')::timestamptz >= {{}}", at)


def standing(statuses: Sequence[str]) -> Also:
    """What is dealt with and stands so."""
    return Also("body #>> '{{lifecycle,status}}' = any({})", list(statuses))


def beginning(member: str, text: str) -> Also:
    return Also(f"starts_with(body ->> '{member}', {{}})", text)


def open_to(actor: str) -> Also:
    """Everybody's, and the actor's own where it is private."""
    return Also("(body ->> 'visibility' is distinct from 'PRIVATE' or created_by = {})", actor)


async def holds(db: Connection, holders: Sequence[tuple[str, str]], ids: Sequence[str]) -> bool:
    """Whether a live record names one of these; `holders`: its kind, and the member that does."""
    sql = """select exists(select from records.records r join unnest($1::text[], $2::text[]) h(kind, member)
                on r.kind = h.kind and r.body ->> h.member = any($3) where r.retired_at is null)"""
    kinds, members = [kind for kind, _ in holders], [member for _, member in holders]
    return bool(await db.fetchval(sql, kinds, members, list(ids)))


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
    also: Sequence[Also] = (),
) -> tuple[list[Row], int]:
    """Live records whose body holds all of `where`, and how many there are in all. `search`: part of the name."""
    told = [Also("kind = {}", kind)]
    if where:
        told.append(Also("body @> {}", dict(where)))
    if search is not None:
        told.append(Also("strpos(lower(name), lower({})) > 0", search))
    told += also
    values = [one.value for one in told]
    condition = " and ".join(["retired_at is null", *(one.sql.format(f"${n}") for n, one in enumerate(told, start=1))])
    order = f"{SORTS[sort]} {'desc' if descending else 'asc'}, id {'desc' if descending else 'asc'}"
    place = f"limit ${len(values) + 1} offset ${len(values) + 2}"
    sql = f"select {COLUMNS} from records.records where {condition} order by {order} {place}"
    rows = await db.fetch(sql, *values, limit, offset)
    total = await db.fetchval(f"select count(*) from records.records where {condition}", *values)
    return rows, total


async def shared_catalogues(db: Connection) -> dict[str, Row]:
    """Catalogues of others that are assigned to the organisation, and public ones, oldest first."""
    return {row["id"]: row for row in await db.fetch("select * from records.shared_catalogues()")}


async def counts_by_site(db: Connection, kind: str, sites: list[str]) -> dict[str, int]:
    """How many live records of a kind each of these sites has."""
    rows = await db.fetch(
        """select site, count(*) as n from records.records
           where kind = $1 and retired_at is null and site = any($2) group by site""",
        kind,
        sites,
    )
    return {row["site"]: row["n"] for row in rows}


async def changes(db: Connection, kinds: Sequence[str]) -> int:
    """How often records of these kinds were put or retired: a number that only rises."""
    return int(
        await db.fetchval("select coalesce(sum(version), 0) from records.records where kind = any($1)", list(kinds))
    )
