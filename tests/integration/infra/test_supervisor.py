"""supervisord and its listener with parts that do nothing, so that their deaths cost nothing."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.local import record, supervisor
from infra.local.parts import Part
from infra.settings import Settings

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
FALTER = "import os, sys, time; time.sleep(600) if os.path.exists(sys.argv[1]) else sys.exit(1)"


def part(name: str, command: list[str], priority: int = 10) -> Part:
    return Part(name, lambda _: command, lambda _: True, lambda _: True, priority)


def pids(settings: Settings) -> dict[str, int]:
    return {str(name): int(pid) for name, pid in record.read(settings.var).get("processes", {}).items()}


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A var directory too deep for a socket of its own, with a space in its path."""
    settings = Settings(var=tmp_path / ("deep below" * 6) / "var")
    settings.var.mkdir(parents=True)
    yield settings
    supervisor.stop(settings)


def test_living_pids_are_written_down(settings: Settings) -> None:
    running = supervisor.start(settings, [part("one", SLEEP), part("two", SLEEP)])
    for name in ("one", "two"):
        running.startProcess(name, False)
    until(lambda: set(pids(settings)) == {"one", "two"}, 10)
    first = pids(settings)["one"]
    assert psutil.Process(first).cmdline() == SLEEP

    os.kill(first, signal.SIGKILL)
    until(lambda: pids(settings).get("one", first) != first, 5)
    assert psutil.pid_exists(pids(settings)["one"])

    assert supervisor.stop(settings)
    assert pids(settings) == {}
    assert supervisor.running(settings) is None
    assert not supervisor.stop(settings)


def test_a_part_that_gave_up_is_tried_again(settings: Settings, tmp_path: Path) -> None:
    there = tmp_path / "there"
    running = supervisor.start(settings, [part("falters", [sys.executable, "-c", FALTER, str(there)])])
    running.startProcess("falters", False)
    time.sleep(13)  # long enough that supervisord alone would have given up
    there.touch()
    until(lambda: "falters" in pids(settings), 10)
    until(lambda: running.getAllProcessInfo()[0]["statename"] == "RUNNING", 10)
