"""Reads of tokens, device keys and certificates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from infra.postgres import Connection, Row


async def token_of(db: Connection, digest: str, kind: str) -> Row | None:
    """The token with this digest in any organisation; `kind` is `provisioning` or `registration`."""
    return await db.fetchrow("select * from provisioning.token_of($1, $2)", digest, kind)


async def key_of(db: Connection, digest: str) -> Row | None:
    """Device and organisation that a device key opens, in any organisation."""
    return await db.fetchrow("select * from provisioning.key_of($1)", digest)


TOKEN_STATUS = """case when spent_at is not null then 'CONSUMED' when revoked_at is not null then 'REVOKED'
    when expires_at <= now() then 'EXPIRED' else 'PENDING' end"""


async def token(db: Connection, id: str, kind: str) -> Row | None:
    sql = f"select *, {TOKEN_STATUS} as status from provisioning.tokens where id = $1 and kind = $2"
    return await db.fetchrow(sql, id, kind)


async def counted(db: Connection, id: str, device: str) -> Row | None:
    """The token once it shows that it let this device in."""
    sql = """select t.* from provisioning.tokens t join provisioning.enrolments e on e.device = $2
             where t.id = $1 and t.last_used_at >= e.created_at"""
    return await db.fetchrow(sql, id, device)


async def ended(db: Connection, id: str) -> Row | None:
    """The token once it cannot be used any more."""
    sql = "select * from provisioning.tokens where id = $1 and coalesce(spent_at, revoked_at) is not null"
    return await db.fetchrow(sql, id)


async def tokens(
    db: Connection, kind: str, *, status: str | None = None, limit: int, offset: int = 0, descending: bool = True
) -> tuple[list[Row], int]:
    """A page of tokens by when they were made, and how many there are. `status` is one of TOKEN_STATUS."""
    way = "desc" if descending else "asc"
    where = f"where kind = $1 and ($2::text is null or {TOKEN_STATUS} = $2)"
    sql = f"""select *, {TOKEN_STATUS} as status from provisioning.tokens {where}
              order by created_at {way}, id {way} limit $3 offset $4"""
    rows = await db.fetch(sql, kind, status, limit, offset)
    return rows, await db.fetchval(f"select count(*) from provisioning.tokens {where}", kind, status)


async def enrolment(db: Connection, device: str) -> Row | None:
    return await db.fetchrow("select * from provisioning.enrolments where device = $1", device)


async def none_open(db: Connection, device: str) -> Row | None:
    """A row once nothing opens for this device any more."""
    sql = """select $1::uuid as device where not exists
               (select from provisioning.enrolments where device = $1::uuid and closed_at is null)"""
    return await db.fetchrow(sql, device)


async def certificates(db: Connection, device: str) -> list[Row]:
    sql = "select * from provisioning.certificates where device = $1 order by created_at, serial_number"
    return await db.fetch(sql, device)


async def provisioned(db: Connection, devices: Sequence[str]) -> dict[str, datetime]:
    """When each of these devices got its first certificate."""
    rows = await db.fetch(
        "select device, min(created_at) as at from provisioning.certificates where device = any($1::uuid[]) group by 1",
        list(devices),
    )
    return {row["device"]: row["at"] for row in rows}


async def certificate(db: Connection, serial_number: str) -> Row | None:
    return await db.fetchrow("select * from provisioning.certificates where serial_number = $1", serial_number)
