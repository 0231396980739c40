"""The curl examples, run as they stand by a real curl; every answer fits the contract's own schema."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, reduce
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema_rs
import orjson
import pytest

from infra.settings import Settings
from tests.contracts.documents import HERE, SURFACES, Operation, contract
from tests.integration.acusight.conftest import picture
from tests.integration.contracts import things
from tests.integration.contracts.conftest import organisation
from tests.integration.nx.calls import network

EXAMPLES = sorted((HERE / "examples").glob("*.sh"))
PATIENCE = 90.0
PICTURES = ("IMAGE", "IMAGE_2")
"""Fresh for each example: the same bytes are taken once."""
WRAPPED = 'set -eu; curl() { command curl -sS -o "$FOLDER/body" -w "%{http_code}" "$@"; }\n'
"""Prints the status; the body goes to a file. The commands stay as a person would type them."""


@pytest.fixture(autouse=True, scope="module")
def curl() -> None:
    assert shutil.which("curl"), "these examples need curl (Debian, Ubuntu: apt install curl)"


class Step:
    """One command with what is expected of it."""

    def __init__(self, text: str) -> None:
        said, self.command = text.split("\n", 1)
        self.operation, self.status, *words = said.removeprefix("# ").split()
        waits = words.index("until") + 1 if "until" in words else None
        self.until = words[waits].split("=") if waits is not None else None
        self.keeps = dict(word.split("=") for word in words if word.partition("=")[0].isupper())


def steps(example: Path) -> list[Step]:
    return [Step(part.strip()) for part in example.read_text(encoding="utf-8").split("\n\n")]


@cache
def named(surface: str) -> dict[str, Operation]:
    return {one.spec["operationId"]: one for one in contract(surface)}


@pytest.fixture(scope="module")
def environment(stack: dict[str, Any], settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder, said, now = tmp_path_factory.mktemp("curl"), organisation(settings, "curl"), datetime.now(UTC)
    files = {
        **dict.fromkeys(PICTURES, b""),
        "MODEL": network(scale=float(next(things.scales))),
        "VIDEO": things.video(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    times = {"NOW": now, "AN_HOUR_AGO": now - timedelta(hours=1), "IN_AN_HOUR": now + timedelta(hours=1)}
    return {
        "PATH": os.environ["PATH"],
        "FOLDER": str(folder),
        "API": stack["api"],
        "UNIQUE": uuid4().hex,
        "ORGANISATION": said["id"],
        "NX_USERNAME": said["nx"]["username"],
        "NX_PASSWORD": said["nx"]["password"],
        "NX_CLIENT": said["nx"]["client_id"],
        "ACUSIGHT_JWT": said["acusight"]["token"],
        "IOT_KEY": said["iot"]["api_key"],
        "IOT_JWT": said["iot"]["token"],
        "NOXOVISION_KEY": said["noxovision"]["api_key"],
        **{name: str(folder / name) for name in files},
        **{name: at.strftime("%Y-%m-%dT%H:%M:%SZ") for name, at in times.items()},
    }


def member(body: Any, path: str) -> Any:
    """`data.0.id` of a body."""
    return reduce(lambda at, part: at[int(part)] if isinstance(at, list) else at[part], path.split("."), body)


def called(step: Step, environment: dict[str, str]) -> Any:
    """The answer's body, when its status is the expected one."""
    done = subprocess.run(
        ["bash", "-c", WRAPPED + step.command], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    answer = (Path(environment["FOLDER"]) / "body").read_bytes()
    assert (done.stdout, done.returncode) == (step.status, 0), f"{step.command}\n{done.stderr}\n{answer[:2000]!r}"
    return orjson.loads(answer) if answer[:1] in (b"{", b"[") else answer


def fits(wanted: list[str], body: Any) -> bool:
    try:
        return str(member(body, wanted[0])) == wanted[1]
    except (KeyError, IndexError):
        return False


def awaited(step: Step, environment: dict[str, str]) -> Any:
    end = time.monotonic() + PATIENCE
    body = called(step, environment)
    while step.until is not None and not fits(step.until, body):
        assert time.monotonic() < end, f"{step.command}\n{body}"
        time.sleep(0.3)
        body = called(step, environment)
    return body


def schemas(one: Operation, status: str) -> Iterator[Any]:
    for kind, media in one.answers[status].get("content", {}).items():
        if "json" in kind:
            yield {**one.resolved(media["schema"]), "components": one.document["components"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path, environment: dict[str, str]) -> None:
    kept = dict(environment)
    for name in PICTURES:
        Path(kept[name]).write_bytes(picture())
    contracts = named(example.stem.partition("-")[0])
    for step in steps(example):
        body = awaited(step, kept)
        if step.operation != "-" and isinstance(body, dict | list):
            for schema in schemas(contracts[step.operation], step.status):
                jsonschema_rs.validate(schema, body)
        kept |= {name: str(member(body, path)) for name, path in step.keeps.items()}


def test_every_operation_of_the_pages_has_an_example() -> None:
    shown = {(example.stem.partition("-")[0], step.operation) for example in EXAMPLES for step in steps(example)}
    assert {(surface, id) for surface in SURFACES for id in named(surface)} <= shown
