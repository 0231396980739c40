"""Reads of organisations, members and credentials. Those before an organisation is known go through SQL functions."""

from __future__ import annotations

from infra.postgres import Connection, Row


async def key(db: Connection, digest: str) -> Row | None:
    """The live API key with this SHA-256: organisation, id, surface, role, scopes."""
    return await db.fetchrow("select * from tenancy.key_by_digest($1)", digest)


async def user_by_email(db: Connection, email: str) -> Row | None:
    """id, email, name, password_hash, second_factor (sealed) of a person."""
    return await db.fetchrow("select * from tenancy.user_by_email($1)", email)


async def user(db: Connection, id: str) -> Row | None:
    return await db.fetchrow("select * from tenancy.user_by_id($1)", id)


async def memberships(db: Connection, user: str) -> list[Row]:
    """organisation, name, kind, role: where a person belongs, oldest first."""
    return await db.fetch("select * from tenancy.memberships($1)", user)


async def under_partner(db: Connection, partner: str, user: str) -> list[Row]:
    """organisation, name of what is under a channel partner; nothing where the person is no member of it."""
    return await db.fetch("select * from tenancy.under_partner($1, $2)", partner, user)


async def owners(db: Connection, ids: list[str]) -> dict[str, Row]:
    """organisation, name, kind of those whose shared things the caller sees."""
    rows = await db.fetch("select * from tenancy.owners($1::uuid[])", ids)
    return {row["organisation"]: row for row in rows}


async def session(db: Connection, id: str) -> Row | None:
    return await db.fetchrow("select * from tenancy.session_by_id($1)", id)


async def organisation(db: Connection) -> Row | None:
    """The organisation that the transaction is under."""
    return await db.fetchrow("select * from tenancy.organisations")


async def members(db: Connection) -> list[Row]:
    return await db.fetch('select "user", role, created_at from tenancy.members order by created_at, "user"')


async def api_keys(db: Connection) -> list[Row]:
    return await db.fetch("select * from tenancy.api_keys order by created_at desc, id")
