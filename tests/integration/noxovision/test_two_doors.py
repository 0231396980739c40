"""Two processes of the API take requests with one key at the same time: it is one job, and nothing is left over."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from infra.objects import directory
from infra.settings import Settings
from schemas.ids import new_id

SLOW = 2.0


@pytest.fixture(scope="module")
def other(acme: httpx.Client, stack: dict[str, Any]) -> Iterator[httpx.Client]:
    """The same caller at a second door to the same stack."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "SIGHTLOG_API__PORT": str(port), "SIGHTLOG_API__PUBLIC_URL": stack["api"]}
    process = subprocess.Popen([sys.executable, "-m", "api"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v0", headers=acme.headers, timeout=60) as one:
            until_ready(one)
            yield one
    finally:
        process.terminate()
        process.wait(30)


def until_ready(caller: httpx.Client) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if caller.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail("the second door did not open")


def slowly(data: bytes) -> Iterator[bytes]:
    yield data[:2000]
    time.sleep(SLOW)
    yield data[2000:]


def both(first: httpx.Client, second: httpx.Client, slow: bytes, quick: bytes) -> tuple[httpx.Response, httpx.Response]:
    """The slow one begins before the quick one, and ends after it."""
    headers = {"Idempotency-Key": new_id(), "Content-Type": "video/mp4"}
    with ThreadPoolExecutor() as pool:
        begun = pool.submit(first.post, "/request/video", content=slowly(slow), headers=headers)
        time.sleep(SLOW / 2)
        answer = second.post("/request/video", content=quick, headers=headers)
        return begun.result(), answer


def test_the_same_request_is_one_job(acme: httpx.Client, other: httpx.Client, settings: Settings, clip: bytes) -> None:
    slow, quick = both(acme, other, clip, clip)
    assert (slow.status_code, quick.status_code) == (202, 202), slow.text
    assert slow.json() == quick.json()
    assert (slow.headers["idempotent-replayed"], "idempotent-replayed" in quick.headers) == ("true", False)
    id = slow.json()["job_id"]
    assert acme.post(f"/jobs/{id}/cancel").status_code in (202, 409)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and stored(settings, id):
        time.sleep(0.1)
    assert stored(settings, id) == []


def test_another_request_is_refused(acme: httpx.Client, other: httpx.Client, clip: bytes) -> None:
    slow, quick = both(acme, other, clip, clip[:3000])
    assert quick.status_code == 202
    assert (slow.status_code, slow.json()["code"]) == (422, "idempotency_mismatch")
    assert slow.json()["errors"][0]["pointer"] == "Idempotency-Key"


def stored(settings: Settings, job_id: str) -> list[str]:
    digits = job_id.removeprefix("video_")
    return [str(path) for path in directory(settings.objects.url).rglob("*") if path.is_file()
            and digits in str(path).replace("-", "")]  # fmt: skip
