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
from infra.local import ports, record, supervisor
from infra.local.parts import PARTS
from infra.local.why import why
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


def elsewhere(var: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command with a var directory of its own."""
    here = {**os.environ, "SIGHTLOG_VAR": str(var), **settings}
    line = [sys.executable, "-m", "infra.cli", *arguments]
    return subprocess.run(line, cwd=ROOT, env=here, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["up", "doctor"])
def test_a_var_that_cannot_be_used_is_told(tmp_path: Path, command: str) -> None:
    file = tmp_path / "a-file"
    file.touch()
    done = elsewhere(file, command)
    assert done.returncode == 1
    assert f"{file} cannot be used" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_jars_that_cannot_be_fetched_are_told(tmp_path: Path) -> None:
    nowhere = {"M2_REPO": str(tmp_path / "m2"), "HTTPS_PROXY": f"http://{LOOPBACK}:9"}
    try:
        up = elsewhere(tmp_path / "var", "up", "--free-ports", **nowhere)
        doctor = elsewhere(tmp_path / "var", "doctor", **nowhere)
    finally:
        elsewhere(tmp_path / "var", "down")
    assert up.returncode == 1
    assert "jars cannot be fetched" in up.stderr
    assert "Traceback" not in up.stderr
    assert "jars are missing; `make setup`" in doctor.stdout


def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    """Where nothing listens: commands say which server, and no more."""
    port = ports.draw(set())
    owner = {"SIGHTLOG_POSTGRES__OWNER": f"postgresql://sightlog_owner@{LOOPBACK}:{port}/sightlog"}
    for arguments in (("migrate",), ("rebuild", "fleet")):
        done = elsewhere(tmp_path / "var", *arguments, **owner)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert done.stderr.startswith("postgres does not answer")
    done = elsewhere(tmp_path / "var", "replay", SIGHTLOG_KAFKA__BOOTSTRAP=f"{LOOPBACK}:{port}")
    assert "kafka does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_projection_is_told_in_words(stack: dict[str, Any]) -> None:
    done = sightlog("rebuild", "nothing")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "no projection 'nothing'; there are " in done.stderr


@whole
def test_a_part_that_is_held_is_named_with_its_remedy(stack: dict[str, Any]) -> None:
    pid = record.read(VAR)["processes"]["deliveries"]
    os.kill(pid, signal.SIGSTOP)
    try:
        doctor, status = sightlog("doctor"), sightlog("status")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert f"deliveries: running, not ready: held by a signal; `kill -CONT {pid}`" in doctor.stdout
    assert (doctor.returncode, status.returncode) == (1, 1)


@whole
def test_a_part_says_what_it_waits_for(stack: dict[str, Any], settings: Settings) -> None:
    running = supervisor.running(settings)
    assert running is not None
    running.stopProcess("kafka", True)
    try:
        doctor = until_told("api: running, not ready: it says: kafka away")
    finally:
        assert sightlog(*UP).returncode == 0
    assert "kafka: stopped, not ready: `sightlog up` starts it" in doctor
    assert sightlog("doctor").returncode == 0


def until_told(words: str) -> str:
    """What the doctor says once it says so."""
    deadline = time.monotonic() + 30
    while words not in (said := sightlog("doctor").stdout):
        assert time.monotonic() < deadline, said
    return said


def test_a_part_whose_port_is_taken_is_named_with_it(tmp_path: Path) -> None:
    settings = ports.remember(Settings(var=tmp_path), choose=True)
    part = next(part for part in PARTS if part.name == "postgres")
    with socket.socket() as taken:
        taken.bind((LOOPBACK, settings.local.postgres))
        taken.listen()
        assert why(part, "fatal", 0, settings).startswith(f"port {settings.local.postgres} is in use")
    assert "given up" in why(part, "fatal", 0, settings)
