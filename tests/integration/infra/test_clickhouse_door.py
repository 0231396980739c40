"""The local ClickHouse door, as both clients of clickhouse-connect meet it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from infra import clickhouse
from infra.local.ports import draw
from infra.settings import LOOPBACK, ClickHouse, Settings

TABLE = """
CREATE TABLE readings (organisation UUID, sensor String, at DateTime64(3, 'UTC'), value Nullable(Float64))
ENGINE = ReplacingMergeTree ORDER BY (organisation, sensor, at)
SETTINGS non_replicated_deduplication_window = 100
"""
ACME, GLOBEX = "018f0000-0000-7000-8000-00000000000a", "018f0000-0000-7000-8000-00000000000b"


class Door:
    """A door process of its own, so that it may be killed."""

    def __init__(self, var: Path) -> None:
        self.port = draw(set())
        self.var = var
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        here = {"SIGHTLOG_VAR": str(self.var), "SIGHTLOG_LOCAL__CLICKHOUSE": str(self.port)}
        process = subprocess.Popen([sys.executable, "-m", "infra.local.clickhouse"], env={**os.environ, **here})
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/ping", timeout=1).close()
                return process
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the door did not open")

    def kill_and_restart(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = self.start()

    def settings(self) -> Settings:
        return Settings(var=self.var, clickhouse=ClickHouse(url=f"http://{LOOPBACK}:{self.port}"))


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    door = Door(tmp_path_factory.mktemp("door"))
    yield door
    door.process.terminate()
    assert door.process.wait(20) == 0


@pytest.fixture
def client(door: Door) -> Iterator[Client]:
    with clickhouse.client(door.settings()) as client:
        client.command("DROP TABLE IF EXISTS readings")
        client.command(TABLE)
        yield client


@pytest.fixture
async def link(door: Door, client: Client) -> AsyncIterator[AsyncClient]:
    link = await clickhouse.async_client(door.settings())
    yield link
    await link.close()


def table(organisation: str, count: int) -> pa.Table:
    return pa.table(
        {
            "organisation": [organisation] * count,
            "sensor": [f"s{n % 7}" for n in range(count)],
            "at": pa.array(range(count), pa.timestamp("ms", "UTC")),
            "value": [None if n % 5 == 0 else n / 2 for n in range(count)],
        }
    )


def count(client: Client) -> int:
    return int(client.query("SELECT count() FROM readings").result_rows[0][0])


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_native_rows_come_back_as_they_went(door: Door, client: Client, compress: bool | str) -> None:
    options = {**clickhouse.options(door.settings()), "compress": compress}
    rows = [[uuid4(), "name ' \\ \n FORMAT Native\n", n, None if n % 2 else 0.5] for n in range(1000)]
    with clickhouse_connect.get_client(**options) as other:
        other.insert("readings", rows, column_names=["organisation", "sensor", "at", "value"])
        found = other.query("SELECT organisation, sensor, toUnixTimestamp64Milli(at), value FROM readings").result_rows
    assert {tuple(row) for row in found} == {tuple(row) for row in rows}


async def test_arrow_rows_of_the_async_client(link: AsyncClient) -> None:
    await clickhouse.insert(link, "readings", table(ACME, 20_000), token="one")
    found = await link.query_arrow("SELECT count() AS n, sum(value) AS total FROM readings")
    assert found.to_pylist() == [{"n": 20_000, "total": sum(n / 2 for n in range(20_000) if n % 5)}]


async def test_a_repeated_token_vanishes(link: AsyncClient, client: Client) -> None:
    for token in ("one", "one", "two"):
        await clickhouse.insert(link, "readings", table(ACME, 10), token)
    assert count(client) == 20


async def test_parameters_of_any_kind_and_length(link: AsyncClient) -> None:
    text, many = "it's {not:String} %s \\ \t\n ☃", list(range(50_000))
    sql = "SELECT {text:String}, length({many:Array(UInt32)}), {none:Nullable(String)}"
    found = await link.query(sql, parameters={"text": text, "many": many, "none": None})
    assert found.result_rows == [(text, 50_000, None)]


def test_values_and_commands(client: Client) -> None:
    client.command(f"INSERT INTO readings (organisation, sensor) VALUES ('{ACME}', 'a format b\n')")
    assert client.query("SELECT sensor FROM readings").result_rows == [("a format b\n",)]
    assert client.raw_query("SELECT 1 AS one", fmt="JSONEachRow") == b'{"one":1}\n'
    assert client.query("SELECT sensor FROM readings LIMIT 0").column_names == ("sensor",)
    assert client.ping()


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM nowhere", 60),
        ("SELEC 1", 62),
        ("SELECT 1 FROM (", 62),
        ("SELECT 1 INTO OUTFILE '/tmp/sightlog-must-not-exist'; (", 62),
        ("SELECT 1; DROP TABLE readings", 62),
        ("SELECT 1 INTO OUTFILE '/tmp/sightlog-must-not-exist'", 497),
        ("SELECT throwIf(1)", 395),
        ("SELECT {missing:String}", 456),
    ],
)
def test_errors_carry_their_code(client: Client, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query(sql)
    assert caught.value.code == code
    assert not Path("/tmp/sightlog-must-not-exist").exists()
    assert count(client) == 0


@pytest.mark.parametrize(
    "sql", ["DROP TABLE readings", "INSERT INTO readings (sensor) VALUES ('x')", "SET readonly = 0"]
)
def test_readonly_only_reads(client: Client, sql: str) -> None:
    with pytest.raises(DatabaseError):
        client.command(sql, settings={"readonly": 1})
    assert count(client) == 0


def test_readonly_takes_no_rows(client: Client) -> None:
    with pytest.raises(DatabaseError):
        client.insert("readings", [["x"]], column_names=["sensor"], settings={"readonly": 1})
    assert count(client) == 0


def test_unknown_settings_are_named(client: Client) -> None:
    with pytest.raises(DatabaseError, match="no_such_setting"):
        client.query("SELECT 1", settings={"no_such_setting": "1"})


async def test_an_organisation_sees_its_own_rows(door: Door, link: AsyncClient, client: Client) -> None:
    client.command("CREATE OR REPLACE VIEW seen AS SELECT * FROM readings")
    await clickhouse.insert(link, "readings", table(ACME, 30), "acme")
    await clickhouse.insert(link, "readings", table(GLOBEX, 12), "globex")
    shapes = (
        "SELECT count() FROM readings",
        "SELECT count() FROM readings AS other FINAL",
        "SELECT count() FROM seen",
        "SELECT count() FROM (SELECT * FROM sightlog.readings)",
        f"SELECT count() FROM readings WHERE organisation = '{ACME}' OR 1",
    )
    for sql in shapes:
        for organisation, rows in ((ACME, 30), (GLOBEX, 12), (str(uuid4()), 0), (clickhouse.EVERYONE, 42)):
            found = await clickhouse.read(link, door.settings(), sql, organisation)
            assert found.result_rows == [(rows,)], (sql, organisation)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM readings SETTINGS additional_table_filters = {}",
        "SELECT count() FROM merge('sightlog', 'readings')",
        "SELECT count() FROM mergeTreeIndex('sightlog', 'readings')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "DROP TABLE readings",
    ],
)
async def test_no_way_round_the_organisation(door: Door, link: AsyncClient, sql: str) -> None:
    with pytest.raises(DatabaseError):
        await clickhouse.read(link, door.settings(), sql, ACME)


async def test_slow_queries_hold_up_nobody(link: AsyncClient) -> None:
    slow = asyncio.create_task(link.query("SELECT sum(sleepEachRow(0.5)) FROM numbers(4) SETTINGS max_block_size = 1"))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await asyncio.gather(*(link.query("SELECT 1") for _ in range(20)))
    assert time.monotonic() - began < 1.5
    assert not slow.done()
    await slow


def test_pages_in_a_browser_are_refused(door: Door) -> None:
    for header in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        request = urllib.request.Request(f"http://{LOOPBACK}:{door.port}/", data=b"SELECT 1", headers=header)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=5)
        assert caught.value.code == 403


def test_kill_loses_nothing_acknowledged(door: Door, client: Client) -> None:
    acknowledged = 0
    for round_ in range(3):
        for batch in range(4):
            stamp = [[ACME, f"{round_}-{batch}", n, 1.0] for n in range(50)]
            client.insert("readings", stamp, column_names=["organisation", "sensor", "at", "value"])
            acknowledged += 50
        door.kill_and_restart()
    assert count(client) == acknowledged
