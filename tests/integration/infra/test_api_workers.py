"""Several workers of `api`: whichever answers `/metrics`, it tells of all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra.local.ports import draw
from infra.settings import LOOPBACK, Settings
from tests.conftest import ROOT

COUNTING = """
import os, sys
from infra.telemetry import DEAD_LETTERS
DEAD_LETTERS.labels("t", "not_avro").inc(int(sys.argv[1]))
"""
"""What a process does that counts."""


class Api:
    """An `api` of two workers."""

    def __init__(self, port: int, settings: Settings, process: subprocess.Popen[bytes]) -> None:
        self.url, self.settings, self.process = f"http://{LOOPBACK}:{port}", settings, process

    def asked(self) -> dict[str, float]:
        """Over a connection of its own, which any worker may take."""
        text = httpx.get(f"{self.url}/metrics", timeout=30, trust_env=False).raise_for_status().text
        found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {sample.name: sample.value for sample in found}

    def workers(self) -> list[psutil.Process]:
        return [one for one in psutil.Process(self.process.pid).children() if "spawn_main" in " ".join(one.cmdline())]


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[Api]:
    port = draw(set())
    here = {"SIGHTLOG_API__PORT": str(port), "SIGHTLOG_API__WORKERS": "2", "SIGHTLOG_PROCESS": "api-of-two"}
    (settings.var / "metrics" / "api-of-two").mkdir(parents=True, exist_ok=True)
    (settings.var / "metrics" / "api-of-two" / "counter_1.db").write_bytes(b"of an earlier run")
    with subprocess.Popen([sys.executable, "-m", "api"], cwd=ROOT, env={**os.environ, **here}) as process:
        made = Api(port, settings, process)
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(transport=transport, timeout=60, trust_env=False) as client:
            client.get(f"{made.url}/healthz").raise_for_status()
        yield made
        process.send_signal(signal.SIGTERM)


def test_what_they_use_is_told_of_all(api: Api) -> None:
    assert len(api.workers()) == 2
    memory = sum(one.memory_info().rss for one in api.workers())
    for _ in range(8):
        assert api.asked()["process_resident_memory_bytes"] > memory / 1.5, "more than one of two"


def test_requests_are_counted_by_dialect_and_status(api: Api) -> None:
    with httpx.Client(base_url=api.url, trust_env=False, timeout=30) as anybody:
        paths = {
            "/cpt/functions": "nx",
            "/api/v0/jobs": "noxovision",
            "/api/v1/sites": "iot",
            "/api/nothing": "acusight",
        }
        statuses = {dialect: str(anybody.get(path).status_code) for path, dialect in paths.items()}
    text = httpx.get(f"{api.url}/metrics", timeout=30, trust_env=False).text
    (family,) = [f for f in text_string_to_metric_families(text) if f.name == "sightlog_request_seconds"]
    counts = {
        (sample.labels["dialect"], sample.labels["status"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_count")
    }
    assert {place: counts.get(place) for place in statuses.items()} == dict.fromkeys(statuses.items(), 1.0)


def test_what_any_of_them_counted_is_told_by_each(api: Api) -> None:
    folder = api.settings.var / "metrics" / "api-of-two"
    for count in (3, 4):
        line = [sys.executable, "-c", COUNTING, str(count)]
        subprocess.run(line, cwd=ROOT, env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}, check=True)
    assert {api.asked()["sightlog_dead_letters_total"] for _ in range(8)} == {7.0}
