"""What every test may ask for: the real local stack, started once, and the settings that point at it."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.commands import Commands
from infra.local import record
from infra.settings import Settings, load

ROOT = Path(__file__).parents[1]
# Whoever has set a var directory keeps it; otherwise tests have their own, apart from a stack one works with.
OURS = "SIGHTLOG_VAR" not in os.environ
VAR = Path(os.environ.setdefault("SIGHTLOG_VAR", str(ROOT / "var" / "test"))).absolute()
KEEP = "SIGHTLOG_TEST_KEEP" in os.environ
UP = ("up", "--free-ports", *(["--servers"] if "SIGHTLOG_TEST_SERVERS" in os.environ else []))


def sightlog(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would, from the root of the checkout."""
    line = [sys.executable, "-m", "infra.cli", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="session")
def stack() -> Iterator[dict[str, Any]]:
    """The whole stack on free ports, from nothing; `SIGHTLOG_TEST_KEEP=1` leaves it running for the next time.

    `SIGHTLOG_TEST_SERVERS=1` starts no process of ours: for work on a part while another is broken.
    """
    if not KEEP:
        sightlog("down")
        if OURS:
            shutil.rmtree(VAR, ignore_errors=True)
    done = sightlog(*UP)
    try:
        assert done.returncode == 0, f"the stack did not come up:\n{done.stdout}\n{done.stderr}"
        yield record.read(VAR)
    finally:
        if not KEEP:
            sightlog("down")


@pytest.fixture(scope="session")
def settings(stack: dict[str, Any]) -> Settings:
    """The settings of the running test stack."""
    return load()


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[Commands]:
    """A way to the log, as a worker has it."""
    commands = Commands(settings)
    await commands.start()
    async with asyncio.timeout(30):
        while set(commands.parts().values()) != {"ok"}:
            await asyncio.sleep(0.05)
    yield commands
    await commands.stop()
