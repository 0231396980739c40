"""Reads of organisations, members and credentials. Those before an organisation is known go through SQL functions."""

from __future__ import annotations

from infra.postgres import Connection, Row


async def key(db: Connection, digest: str) -> Row | None:
    """The live API key with this SHA-256: organisation, id, surface, role, scopes."""
    return await db.fetchrow("select * from tenancy.key_by_digest($1)", digest)


async def user_by_email(db: Connection, email: str) -> Row | None:
    """id, email, name, password_hash of a person."""
    return await db.fetchrow("select * from tenancy.user_by_email($1)", email)


async def user(db: Connection, id: str) -> Row | None:
    return await db.fetchrow("select * from tenancy.user_by_id($1)", id)


async def memberships(db: Connection, user: str) -> list[Row]:
    """organisation, name, role: where a person belongs, oldest first."""
    return await db.fetch("select * from tenancy.memberships($1)", user)


async def session(db: Connection, id: str) -> Row | None:
    return await db.fetchrow("select * from tenancy.session_by_id($1)", id)


async def organisation(db: Connection) -> Row | None:
    """The organisation that the transaction is under."""
    return await db.fetchrow("select * from tenancy.organisations")


async def members(db: Connection) -> list[Row]:
    return await db.fetch('select "user", role, created_at from tenancy.members order by created_at, "user"')


async def api_keys(db: Connection) -> list[Row]:
    return await db.fetch("select * from tenancy.api_keys order by created_at desc, id")
