"""A worker that dies in the middle of a job: the job ends finished all the same."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import httpx
import psutil

from infra.local import record
from infra.settings import Settings
from tests.integration.noxovision.calls import ended, submit, until_status


def worker(settings: Settings) -> int:
    pid: int = record.read(settings.var)["processes"]["inference"]
    return pid


def test_a_killed_worker_goes_on_after_its_restart(
    acme: httpx.Client, stack: dict[str, Any], settings: Settings, long_clip: bytes
) -> None:
    location = submit(acme, long_clip)
    until_status(acme, location, "processing")
    time.sleep(1)
    os.kill(worker(settings), signal.SIGKILL)
    job = ended(acme, location)
    assert job["status"] == "finished", job
    assert acme.get(f"/jobs/{job['job_id']}").json()["attempts"] >= 2


def test_a_killed_child_costs_one_try(acme: httpx.Client, settings: Settings, long_clip: bytes) -> None:
    location = submit(acme, long_clip)
    until_status(acme, location, "processing")
    time.sleep(1)
    for child in psutil.Process(worker(settings)).children():
        if "inference.child" in child.cmdline():
            child.kill()
    job = ended(acme, location)
    assert job["status"] == "finished", job
