"""Tables by numbered files: each context's in a schema of its name, row-level security on every tenant table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import asyncpg

from infra import clickhouse, postgres
from infra.settings import Settings

ROOT = Path(__file__).parent.parent
ROLES = ("sightlog_service", "sightlog_api")


class MigrationChanged(RuntimeError):
    """A file that has been applied is not what it was."""


def schemas() -> list[str]:
    """Contexts that have Postgres tables, and the write side."""
    return [
        "streams",
        *sorted(p.parent.parent.name for p in ROOT.glob("projections/*/migrations/0001*.postgres.sql")),
    ]


def files(schema: str, store: str = "postgres") -> list[Path]:
    folder = ROOT / "streams" if schema == "streams" else ROOT / "projections" / schema
    return sorted(folder.glob(f"migrations/*.{store}.sql"))


def section(path: Path, name: str) -> str:
    """The text under `-- forward` or `-- back`."""
    parts = re.split(r"^-- (forward|back)\s*$", path.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[name].strip()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def migrate(settings: Settings) -> list[str]:
    """Applies what is new in both stores; says which files. Several at once wait for each other."""
    db = await postgres.connect(settings.postgres.owner)
    try:
        async with db.transaction():
            await db.execute("select pg_advisory_xact_lock(7305)")
            await db.execute(
                "create table if not exists migrations (file text primary key, digest text not null,"
                " at timestamptz default now())"
            )
            applied = {row["file"]: row["digest"] for row in await db.fetch("select file, digest from migrations")}
            done = []
            for schema in schemas():
                done += await forward(db, schema, applied)
            done += await clickhouse_forward(db, settings, applied)
            return done
    finally:
        await db.close()


async def forward(db: asyncpg.Connection, schema: str, applied: dict[str, str]) -> list[str]:
    new = list(unapplied(files(schema), applied))
    if new:
        await create(db, schema, schema, new)
    return [await note(db, path) for path in new]


def unapplied(paths: Iterable[Path], applied: dict[str, str]) -> Iterable[Path]:
    for path in paths:
        name = str(path.relative_to(ROOT))
        if name not in applied:
            yield path
        elif applied[name] != digest(path):
            raise MigrationChanged(f"{name} was applied and has changed since; add a new file instead")


async def note(db: asyncpg.Connection, path: Path) -> str:
    name = str(path.relative_to(ROOT))
    await db.execute("insert into migrations (file, digest) values ($1, $2)", name, digest(path))
    return name


async def create(db: asyncpg.Connection, context: str, schema: str, paths: Iterable[Path]) -> None:
    """Runs files with `schema` first on the search path, then protects its tables."""
    await db.execute(f"create schema if not exists {schema}")
    await db.execute(f"set local search_path to {schema}, public")
    if context != "streams":
        await db.execute(
            """create table if not exists positions (
                   topic text, partition int, next_offset bigint not null, primary key (topic, partition));
               create table if not exists versions (
                   organisation text, stream text, version bigint not null, primary key (organisation, stream))"""
        )
    for path in paths:
        await db.execute(section(path, "forward"))
    await db.execute("set local search_path to public")
    await protect(db, schema)


async def beside(db: asyncpg.Connection, context: str, schema: str) -> None:
    """Empty tables of a context in another schema than the live one, in place of what stood there."""
    async with db.transaction():
        await db.execute(f"drop schema if exists {schema} cascade")
        await create(db, context, schema, files(context))


async def protect(db: asyncpg.Connection, schema: str) -> None:
    """Grants, and row-level security on every table with an organisation (uuid): with none set, no row is seen."""
    await db.execute(f"grant usage on schema {schema} to {', '.join(ROLES)}")
    await db.execute(f"grant select, insert, update, delete on all tables in schema {schema} to sightlog_service")
    await db.execute(f"grant usage on all sequences in schema {schema} to sightlog_service")
    await db.execute(f"grant execute on all functions in schema {schema} to {', '.join(ROLES)}")
    if schema.split("__")[0] != "streams":
        await db.execute(f"grant select on {schema}.versions to sightlog_api")
    for row in await db.fetch(
        """select table_name from information_schema.columns
           join information_schema.tables using (table_schema, table_name)
           where table_schema = $1 and column_name = 'organisation' and data_type = 'uuid'
             and table_type = 'BASE TABLE'""",
        schema,
    ):
        await secure(db, f"{schema}.{row['table_name']}")


async def secure(db: asyncpg.Connection, table: str) -> None:
    own = "organisation = nullif(current_setting('sightlog.organisation', true), '')::uuid"
    for policy, role, condition in (
        ("own", "sightlog_api", own),
        ("service", "sightlog_service", "true"),
        ("owner", "current_user", "true"),
    ):
        await db.execute(f"drop policy if exists {policy} on {table}")
        await db.execute(f"create policy {policy} on {table} to {role} using ({condition})")
    await db.execute(f"alter table {table} enable row level security")
    await db.execute(f"alter table {table} force row level security")
    await db.execute(f"grant select on {table} to sightlog_api")


async def clickhouse_forward(db: asyncpg.Connection, settings: Settings, applied: dict[str, str]) -> list[str]:
    """ClickHouse has no transactions: a file is a list of statements that may be repeated."""
    paths = [path for folder in sorted(ROOT.glob("projections/*/")) for path in files(folder.name, "clickhouse")]
    paths += sorted(ROOT.glob("projections/migrations/*.clickhouse.sql"))
    new = list(unapplied(paths, applied))
    if not new:
        return []
    with clickhouse.client(settings) as client:
        for path in new:
            for statement in section(path, "forward").split(";\n"):
                if statement.strip().rstrip(";"):
                    client.command(statement.strip().rstrip(";"))
    return [await note(db, path) for path in new]
