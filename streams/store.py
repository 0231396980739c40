"""The write side's tables, in sets: one statement for a whole batch, never a row at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from infra.postgres import Connection

Place = tuple[str, int]
"""Topic and partition."""
Key = tuple[str, str, str]
"""Context, organisation, stream."""
ClaimKey = tuple[str, str, str]
"""Organisation, scope, key."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a command. `code` is None when it was done; `events` may be 0 (it was so already)."""

    command: str
    context: str
    stream: str
    version: int
    events: int
    code: str | None = None
    detail: str | None = None
    field: str | None = None
    fingerprint: str = ""


class Outgoing(msgspec.Struct, frozen=True):
    """An event on its way out; `topic` and `partition` are those of the command that led to it."""

    topic: str
    partition: int
    target: str
    key: bytes
    value: bytes
    headers: bytes


class Due(msgspec.Struct, frozen=True):
    """A timer's row."""

    context: str
    organisation: str
    stream: str
    name: str
    due: Any
    topic: str
    value: bytes


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into one list a column, as `unnest` wants them."""
    turned: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]


async def lock_positions(db: Connection, places: Sequence[Place]) -> dict[Place, int]:
    """Next offset of each partition, locked: one writer a partition."""
    topics, partitions = columns(sorted(places), 2)
    rows = await db.fetch(
        """with made as (
               insert into streams.positions
               select topic, partition, 0 from unnest($1::text[], $2::int[]) p(topic, partition)
               order by 1, 2 on conflict do nothing)
           select topic, partition, next_offset from streams.positions
           join unnest($1::text[], $2::int[]) p(topic, partition) using (topic, partition)
           order by 1, 2 for update of positions""",
        topics,
        partitions,
    )
    found = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {place: found.get(place, 0) for place in places}


async def load(
    db: Connection, commands: Sequence[str], keys: Sequence[Key]
) -> tuple[dict[str, Outcome], dict[Key, tuple[int, bytes]]]:
    """Outcomes of the commands that were decided before, and version and state of the streams that have begun."""
    rows = await db.fetch(
        """select null as state, command, context, stream, version, events, code, detail, field, fingerprint
           from streams.outcomes where command = any($1)
           union all
           select state, null, context, stream, version, null, organisation, null, null, null from streams.snapshots
           join unnest($2::text[], $3::text[], $4::text[]) k(context, organisation, stream)
                using (context, organisation, stream)""",
        list(commands),
        *columns(keys, 3),
    )
    outcomes = {row["command"]: Outcome(*row[1:]) for row in rows if row["state"] is None}
    snapshots = {
        (r["context"], r["code"], r["stream"]): (r["version"], r["state"]) for r in rows if r["state"] is not None
    }
    return outcomes, snapshots


async def load_claims(db: Connection, keys: Sequence[ClaimKey]) -> dict[ClaimKey, Key | None]:
    """Who holds each claim; None for nobody."""
    rows = await db.fetch(
        """select organisation, scope, key, context, stream from streams.claims
           join unnest($1::text[], $2::text[], $3::text[]) k(organisation, scope, key)
                using (organisation, scope, key)""",
        *columns(keys, 3),
    )
    held: dict[ClaimKey, Key | None] = dict.fromkeys(keys)
    held.update(
        {(r["organisation"], r["scope"], r["key"]): (r["context"], r["organisation"], r["stream"]) for r in rows}
    )
    return held


async def change_claims(db: Connection, taken: dict[ClaimKey, Key], dropped: dict[ClaimKey, Key]) -> bool:
    """Drops and takes claims; False when another transaction was faster with one of them."""
    if dropped:
        await db.execute(
            """delete from streams.claims c
               using unnest($1::text[], $2::text[], $3::text[], $4::text[]) k(organisation, scope, key, stream)
               where (c.organisation, c.scope, c.key, c.stream) = (k.organisation, k.scope, k.key, k.stream)""",
            *columns([(*claim, owner[2]) for claim, owner in dropped.items()], 4),
        )
    if not taken:
        return True
    rows = await db.fetch(
        """insert into streams.claims (organisation, scope, key, context, stream)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
           on conflict do nothing returning key""",
        *columns([(*claim, taken[claim][0], taken[claim][2]) for claim in sorted(taken)], 5),
    )
    return len(rows) == len(taken)


async def save_timers(db: Connection, gone: Sequence[tuple[str, str, str, str]], due: Sequence[Due]) -> None:
    if gone:
        await db.execute(
            """delete from streams.timers t
               using unnest($1::text[], $2::text[], $3::text[], $4::text[]) k(context, organisation, stream, name)
               where (t.context, t.organisation, t.stream, t.name) = (k.context, k.organisation, k.stream, k.name)""",
            *columns(gone, 4),
        )
    if due:
        await db.execute(
            """insert into streams.timers
               select * from unnest($1::text[], $2::text[], $3::text[], $4::text[],
                                    $5::timestamptz[], $6::text[], $7::bytea[])
               on conflict (context, organisation, stream, name)
               do update set due = excluded.due, topic = excluded.topic, value = excluded.value""",
            *columns([msgspec.structs.astuple(row) for row in due], 7),
        )


async def save(
    db: Connection,
    states: dict[Key, tuple[int, bytes]],
    outcomes: Sequence[Outcome],
    messages: Sequence[Outgoing],
    nexts: dict[Place, int],
    notices: Sequence[str],
) -> list[int]:
    """Snapshots, outcomes, outbox, positions and notices in one statement; ids of the outbox rows in order."""
    rows = await db.fetch(
        SAVE,
        *columns([(*key, *states[key]) for key in sorted(states)], 5),
        *columns([msgspec.structs.astuple(o) for o in outcomes], 9),
        *columns([(*place, nexts[place]) for place in sorted(nexts)], 3),
        *columns([msgspec.structs.astuple(m) for m in messages], 6),
        list(notices),
    )
    return [row["id"] for row in rows]


SAVE = """
with states as (
    insert into streams.snapshots (context, organisation, stream, version, state)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
    on conflict (context, organisation, stream) do update set version = excluded.version, state = excluded.state
), outcomes as (
    insert into streams.outcomes (command, context, stream, version, events, code, detail, field, fingerprint)
    select * from unnest($6::text[], $7::text[], $8::text[], $9::bigint[], $10::int[],
                         $11::text[], $12::text[], $13::text[], $14::text[])
    on conflict do nothing
), moved as (
    update streams.positions p set next_offset = n.next_offset
    from unnest($15::text[], $16::int[], $17::bigint[]) n(topic, partition, next_offset)
    where (p.topic, p.partition) = (n.topic, n.partition)
), outgoing as (
    insert into streams.outbox (topic, partition, target, key, value, headers)
    select topic, partition, target, key, value, headers
    from unnest($18::text[], $19::int[], $20::text[], $21::bytea[], $22::bytea[], $23::bytea[])
         with ordinality m(topic, partition, target, key, value, headers, n) order by n
    returning id
), told as (
    select pg_notify('outcomes', text) from unnest($24::text[]) t(text)
)
select id from outgoing where (select count(*) from told) >= 0 order by id
"""


async def load_outbox(db: Connection, places: Sequence[Place]) -> list[tuple[int, Outgoing]]:
    """What was committed and not yet published, in order."""
    rows = await db.fetch(
        """select id, topic, partition, target, key, value, headers from streams.outbox
           join unnest($1::text[], $2::int[]) p(topic, partition) using (topic, partition) order by id""",
        *columns(sorted(places), 2),
    )
    return [(row["id"], Outgoing(*row[1:])) for row in rows]
