"""The stack as `sightlog` shows it: its record, its parts after a death, its words when something is wrong."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from infra import clickhouse
from infra.local import ports, record
from infra.settings import LOOPBACK, Settings
from tests.conftest import ROOT, UP, VAR, sightlog

SERVERS = {"kafka", "postgres", "clickhouse"}
whole = pytest.mark.skipif("--servers" in UP, reason="needs every part")


def test_the_record_has_its_shape(stack: dict[str, Any]) -> None:
    assert list(stack) == ["api", "kafka", "postgres", "clickhouse", "processes", "organisations"]
    assert stack["processes"].keys() >= SERVERS
    for name, pid in record.read(VAR)["processes"].items():
        assert psutil.Process(pid).environ()["SIGHTLOG_PROCESS"] == name
    assert (VAR / "stack.json").stat().st_mode & 0o077 == 0, "it holds credentials"


def test_nothing_listens_beyond_loopback(stack: dict[str, Any]) -> None:
    processes = [psutil.Process(pid) for pid in record.read(VAR)["processes"].values()]
    links = [link for process in processes for link in process.net_connections("tcp") if link.status == "LISTEN"]
    assert links
    assert {link.laddr.ip for link in links} <= {LOOPBACK, f"::ffff:{LOOPBACK}"}


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_killed_server_comes_back(stack: dict[str, Any], settings: Settings, name: str) -> None:
    before = record.read(VAR)["processes"][name]
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while record.read(VAR)["processes"].get(name, before) == before or not ready(name):
        assert time.monotonic() < deadline, f"{name} did not come back"
        time.sleep(0.1)


def ready(name: str) -> bool:
    from infra.local.parts import SERVERS as PARTS
    from infra.settings import load

    return next(part for part in PARTS if part.name == name).ready(load())


async def test_postgres_keeps_what_it_acknowledged(stack: dict[str, Any], settings: Settings) -> None:
    link = await asyncpg.connect(settings.postgres.owner)
    await link.execute("CREATE TABLE IF NOT EXISTS public.kept (n int)")
    await link.execute("INSERT INTO public.kept VALUES (1)")
    before = record.read(VAR)["processes"]["postgres"]
    os.kill(before, signal.SIGKILL)
    link.terminate()
    deadline = time.monotonic() + 20
    while record.read(VAR)["processes"].get("postgres", before) == before or not ready("postgres"):
        assert time.monotonic() < deadline, "postgres did not come back"
        await asyncio.sleep(0.1)
    link = await asyncpg.connect(settings.postgres.owner)
    assert await link.fetchval("SELECT count(*) FROM public.kept") == 1
    await link.execute("DROP TABLE public.kept")
    await link.close()


async def test_only_api_is_bound_by_row_security(stack: dict[str, Any], settings: Settings) -> None:
    bound = {}
    for name in ("owner", "service", "api"):
        link = await asyncpg.connect(getattr(settings.postgres, name))
        bound[name] = not await link.fetchval(
            "SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        await link.close()
    assert bound == {"owner": False, "service": False, "api": True}


def test_clickhouse_answers_its_clients(stack: dict[str, Any], settings: Settings) -> None:
    with clickhouse.client(settings) as client:
        assert client.query("SELECT currentDatabase()").result_rows == [("sightlog",)]


def test_up_again_changes_nothing(stack: dict[str, Any]) -> None:
    before = lasting(record.read(VAR))
    assert sightlog(*UP).returncode == 0
    assert lasting(record.read(VAR)) == before


def lasting(known: record.Record) -> record.Record:
    """All but the bearer tokens, which are signed anew each time."""
    kept = {
        name: {dialect: said for dialect, said in given.items() if dialect != "acusight"}
        | {"iot": given["iot"]["api_key"]}
        for name, given in known["organisations"].items()
    }
    return {**known, "organisations": kept}


@whole
def test_the_doctor_finds_a_well_stack_well(stack: dict[str, Any]) -> None:
    done = sightlog("doctor")
    assert done.returncode == 0, done.stdout
    assert "holds the living pids" in done.stdout


@whole
def test_status_shows_every_part(stack: dict[str, Any]) -> None:
    done = sightlog("status")
    assert done.returncode == 0, done.stdout
    assert all(name in done.stdout for name in stack["processes"])


def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        here = {**os.environ, "SIGHTLOG_VAR": str(tmp_path / "var"), "SIGHTLOG_LOCAL__POSTGRES": port}
        line = [sys.executable, "-m", "infra.cli"]
        up = subprocess.run([*line, "up"], cwd=ROOT, env=here, capture_output=True, text=True, check=False)
        doctor = subprocess.run([*line, "doctor"], cwd=ROOT, env=here, capture_output=True, text=True, check=False)
    assert up.returncode == 1
    assert f"{port} for postgres: set SIGHTLOG_LOCAL__POSTGRES" in up.stderr
    assert "--free-ports" in up.stderr
    assert doctor.returncode == 1
    assert f"{port} is in use" in doctor.stdout


def test_two_stacks_never_draw_the_same_port(tmp_path: Path) -> None:
    numbers = [port.number for port in ports.ports(ports.remember(Settings(var=tmp_path), choose=True))]
    assert len(set(numbers)) == len(numbers)
