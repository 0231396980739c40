"""What `api` may see: nothing, until it says for whom."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from infra import migrate, postgres
from infra.settings import Settings
from schemas.ids import new_id

pytestmark = pytest.mark.stack
UNTENANTED = {"positions", "versions"}


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await postgres.connect(settings.postgres.api)
    yield connection
    await connection.close()


async def tables(settings: Settings) -> list[str]:
    owner = await postgres.connect(settings.postgres.owner)
    try:
        schemas = [name for name in migrate.schemas() if name != "streams"]
        rows = await owner.fetch(
            "select schemaname || '.' || tablename as name from pg_tables where schemaname = any($1)", schemas
        )
        return sorted(row["name"] for row in rows if row["name"].split(".")[1] not in UNTENANTED)
    finally:
        await owner.close()


async def visible(api: asyncpg.Connection, table: str) -> int | None:
    """Rows that `api` can see; None where it may not look at all."""
    try:
        async with api.transaction():
            count: int = await api.fetchval(f"select count(*) from {table}")
    except asyncpg.InsufficientPrivilegeError:
        return None
    return count


async def test_with_no_organisation_every_table_gives_nothing(settings: Settings, api: asyncpg.Connection) -> None:
    found = {table: await visible(api, table) for table in await tables(settings)}
    assert len(found) > 10
    assert not {table: count for table, count in found.items() if count}
    await api.execute("select set_config('sightlog.organisation', '', false)")
    assert not {table: n for table in found if (n := await visible(api, table))}


async def test_every_tenant_table_has_the_policy_forced(settings: Settings) -> None:
    owner = await postgres.connect(settings.postgres.owner)
    rows = await owner.fetch(
        """select n.nspname || '.' || c.relname as name, c.relrowsecurity and c.relforcerowsecurity as safe
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           join pg_attribute a on a.attrelid = c.oid and a.attname = 'organisation' and a.atttypid = 'uuid'::regtype
           where c.relkind = 'r' and n.nspname = any($1)""",
        migrate.schemas(),
    )
    await owner.close()
    assert rows
    assert not [row["name"] for row in rows if not row["safe"]]


async def test_an_organisation_sees_its_own_and_only_its_own(
    settings: Settings, stack: dict[str, dict[str, dict[str, str]]], api: asyncpg.Connection
) -> None:
    for name in ("acme", "globex"):
        async with api.transaction():
            await api.execute(
                "select set_config('sightlog.organisation', $1, true)", stack["organisations"][name]["id"]
            )
            assert {row["slug"] for row in await api.fetch("select slug from tenancy.organisations")} == {name}
            assert await visible(api, "records.records")
    async with api.transaction():
        await api.execute("select set_config('sightlog.organisation', $1, true)", new_id())
        assert not {table: n for table in await tables(settings) if (n := await visible(api, table))}


async def test_it_cannot_write_or_pass_by(api: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await api.execute("delete from records.records")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await api.execute("insert into tenancy.users (id) values ('x')")
    row = await api.fetchrow("select rolsuper or rolbypassrls as free from pg_roles where rolname = current_user")
    assert row is not None
    assert row["free"] is False


async def slugs(pool: postgres.Pool, organisation: str) -> set[str]:
    async with postgres.Reading(pool, organisation) as db:
        return {row["slug"] for row in await db.fetch("select slug from tenancy.organisations")}


async def test_one_connection_serves_organisations_in_turn(
    settings: Settings, stack: dict[str, dict[str, dict[str, str]]]
) -> None:
    acme, globex = (stack["organisations"][name]["id"] for name in ("acme", "globex"))
    pool = await postgres.pool(settings.postgres.api, size=1)
    try:
        seen = [await slugs(pool, who) for who in (acme, acme, globex, "", acme, new_id())]
        assert seen == [{"acme"}, {"acme"}, {"globex"}, set(), {"acme"}, set()]
        with pytest.raises(asyncpg.UndefinedTableError):
            async with postgres.Reading(pool, globex) as db:
                await db.fetch("select * from tenancy.nothing")
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await slugs(pool, "no organisation")
        assert await slugs(pool, acme) == {"acme"}
    finally:
        await pool.close()


async def test_a_read_that_is_given_up_leaves_nothing_behind(
    settings: Settings, stack: dict[str, dict[str, dict[str, str]]]
) -> None:
    acme, globex = (stack["organisations"][name]["id"] for name in ("acme", "globex"))
    pool = await postgres.pool(settings.postgres.api, size=1)

    async def long() -> None:
        async with postgres.Reading(pool, acme) as db:
            await db.execute("select pg_sleep(20)")

    try:
        for pause in (0.0, 0.001, 0.005, 0.05):
            reading = asyncio.create_task(long())
            await asyncio.sleep(pause)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            assert await slugs(pool, globex) == {"globex"}
    finally:
        await pool.close()


async def test_a_session_that_is_somebody_elses_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a transaction pooler the server that answers is not the one that said who it is."""
    monkeypatch.setattr(asyncpg.Connection, "get_server_pid", lambda _: 1)
    pool = await postgres.pool(settings.postgres.api, size=1)
    with pytest.raises(postgres.Pooled):
        await slugs(pool, new_id())
    await pool.close()
