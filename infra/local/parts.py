"""Every part of the local stack on one page: how it starts, when it is ready, in which order it stops."""

import importlib.util
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from infra.local import kafka, postgres
from infra.settings import LOOPBACK, Settings

Signal = Literal["TERM", "INT"]


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    command: Callable[[Settings], list[str]]
    ready: Callable[[Settings], bool]
    wanted: Callable[[Settings], bool]
    """Not where the settings point at a real server instead, nor where the module is not there."""
    priority: int
    """Higher starts later and stops earlier."""
    stop: Signal = "TERM"
    patience: int = 15
    readiness: Callable[[Settings], str] | None = None
    """Where it says what it waits for."""


def module(name: str) -> Callable[[Settings], list[str]]:
    return lambda settings: [sys.executable, "-m", name]


def exists(name: str) -> Callable[[Settings], bool]:
    def look(_: Settings) -> bool:
        try:
            return importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            return False

    return look


def answers(url: Callable[[Settings], str]) -> Callable[[Settings], bool]:
    def ask(settings: Settings) -> bool:
        try:
            with urllib.request.urlopen(url(settings), timeout=3) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return ask


def process(name: str, path: str, priority: int, port: Callable[[Settings], int]) -> Part:
    """One of our own; it says on its metrics port whether it is ready."""

    def readiness(settings: Settings) -> str:
        return f"http://{LOOPBACK}:{port(settings)}/readyz"

    return Part(name, module(path), answers(readiness), exists(path), priority, readiness=readiness)


SERVERS = (
    Part(
        "kafka",
        kafka.command,
        kafka.ready,
        lambda s: s.kafka.bootstrap == f"{LOOPBACK}:{s.local.kafka}",
        10,
        patience=30,
    ),
    Part(
        "postgres",
        postgres.command,
        postgres.ready,
        lambda s: f"@{LOOPBACK}:{s.local.postgres}/" in s.postgres.owner,
        10,
        stop="INT",
        patience=30,
    ),
    Part(
        "clickhouse",
        module("infra.local.clickhouse"),
        answers(lambda settings: f"http://{LOOPBACK}:{settings.local.clickhouse}/ping"),
        lambda s: s.clickhouse.url == f"http://{LOOPBACK}:{s.local.clickhouse}",
        10,
        patience=30,
    ),
)

PROCESSES = (
    process("streams", "streams.app", 50, lambda s: s.metrics.streams),
    process("projections", "projections.app", 50, lambda s: s.metrics.projections),
    process("inference", "inference.app", 50, lambda s: s.metrics.inference),
    process("deliveries", "streams.webhooks.deliver", 50, lambda s: s.metrics.deliveries),
    process("api", "api", 60, lambda s: s.api.port),
)

PARTS = SERVERS + PROCESSES
