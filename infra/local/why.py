"""Why a part is not ready, in words to act on."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil

from infra.local.parts import Part
from infra.local.ports import free, ports
from infra.settings import Settings


def why(part: Part, state: str, pid: int, settings: Settings) -> str:
    """The first reason that is found."""
    return next(reasons(part, state, pid, settings), f"see {log_of(part, settings)}")


def reasons(part: Part, state: str, pid: int, settings: Settings) -> Iterator[str]:
    if state == "stopped":
        yield "`sightlog up` starts it"
    if held(pid):
        yield f"held by a signal; `kill -CONT {pid}` lets it go on"
    if state in ("backoff", "fatal", "exited"):
        yield from taken(part, settings)
    if state in ("fatal", "exited"):
        yield f"given up; once what {log_of(part, settings)} says is mended, `sightlog up` starts it again"
    if pid and part.readiness is not None:
        yield from told(part.readiness(settings))


def log_of(part: Part, settings: Settings) -> Path:
    return settings.var / "logs" / f"{part.name}.log"


def held(pid: int) -> bool:
    try:
        return bool(pid) and psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def taken(part: Part, settings: Settings) -> Iterator[str]:
    """Ports that something else has, while the part itself does not run."""
    for port in ports(settings):
        if port.part == part.name and not free(port.number):
            yield f"port {port.number} is in use; free it, or set {port.setting} to another"


def told(url: str) -> Iterator[str]:
    """What the part itself says that it waits for."""
    try:
        urllib.request.urlopen(url, timeout=3).close()
    except urllib.error.HTTPError as answer:
        parts = orjson.loads(answer.read())["parts"]
        yield "it says: " + ", ".join(f"{name} {said}" for name, said in parts.items() if said != "ok")
    except OSError:
        return
