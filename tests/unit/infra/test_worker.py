"""A worker that gets no partitions does not stay so."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from infra import worker
from infra.settings import Settings


async def nothing(*_: object, **__: object) -> None:
    pass


@pytest.mark.parametrize(("given", "ended"), [(True, []), (False, [1])])
async def test_it_ends_without_partitions(
    given: bool, ended: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exits: list[int] = []
    tasks: list[Callable[[], Awaitable[None]]] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(worker, "UNASSIGNED", 0.01)
    app = worker.app(Settings(var=tmp_path), "streams")
    monkeypatch.setattr(app, "background", tasks.append)
    app.when_assigned(nothing)
    if given:
        await app.on_partitions_assigned.send(set())
    await tasks[0]()
    assert exits == ended
