"""A mixed load that remembers what it was promised: commands through the log, through HTTP, facts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from infra.commands import Commands, Pending, Refused, Unavailable
from schemas.base import asking
from schemas.ids import new_id
from schemas.records.messages import PutRecord, RetireRecord

AWAY = (Pending, Unavailable)
HTTP_AWAY = (httpx.HTTPError,)
THINK = 0.02
"""Seconds between a client's requests: the load is steady, not as much as the machine can bear."""


@dataclass
class Promises:
    """What the system has said. `unknown` is what was sent and never answered: it may have happened or not."""

    done: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    times: dict[str, list[float]] = field(default_factory=lambda: {"log": [], "http": []})
    """When a promise was kept, by the way it came in."""

    def kept(self, way: str, stream: str, version: int) -> None:
        self.done[stream] = max(version, self.done.get(stream, 0))
        self.times[way].append(asyncio.get_running_loop().time())


async def insisting(log: Commands, command: Any, meta: Any, promises: Promises, stop: asyncio.Event) -> bool:
    """Sends the same command until it is answered, as a client with an Idempotency-Key does."""
    promises.unknown.add(meta.stream)
    while True:
        try:
            done = await log.submit(command, meta)
        except Refused:
            promises.unknown.discard(meta.stream)
            return False
        except AWAY:
            await asyncio.sleep(0.1)
            continue
        promises.unknown.discard(meta.stream)
        promises.kept("log", meta.stream, done.version)
        return True


async def through_the_log(log: Commands, organisation: str, promises: Promises, stop: asyncio.Event, seed: int) -> None:
    """Sites: made, changed, retired; some with a name that is taken, which must be refused and leave nothing."""
    chance, n = random.Random(seed), 0
    while not stop.is_set():
        n += 1
        await asyncio.sleep(THINK)
        stream, name = new_id(), f"site {seed} {n}"
        await insisting(log, put(name), asking(stream, organisation=organisation), promises, stop)
        if chance.random() < 0.3:
            twin = asking(new_id(), organisation=organisation)
            if not await insisting(log, put(name), twin, promises, stop):
                promises.refused.add(twin.stream)
        if chance.random() < 0.5:
            await insisting(log, put(name + " b"), asking(stream, organisation=organisation), promises, stop)
        if chance.random() < 0.2:
            await insisting(log, RetireRecord(kind="site"), asking(stream, organisation=organisation), promises, stop)


def put(name: str) -> PutRecord:
    return PutRecord(kind="site", body={"name": name})


async def through_http(base: str, headers: dict[str, str], promises: Promises, stop: asyncio.Event, seed: int) -> None:
    """`POST /api/v1/devices` with an Idempotency-Key, repeated until it is answered."""
    n = 0
    async with httpx.AsyncClient(base_url=base, timeout=5, trust_env=False) as client:
        while not stop.is_set():
            n += 1
            await asyncio.sleep(THINK)
            body, key = {"name": f"device {seed} {n}"}, {"Idempotency-Key": new_id()}
            answer = await answered(client, body, {**headers, **key})
            assert answer.status_code == 201, answer.text
            promises.kept("http", answer.json()["id"], 1)


async def answered(client: httpx.AsyncClient, body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    while True:
        try:
            answer = await client.post("/api/v1/devices", json=body, headers=headers)
            if answer.status_code not in (202, 503):
                return answer
        except HTTP_AWAY:
            pass
        await asyncio.sleep(0.1)


def check(promises: Promises, truth: dict[str, int], log: dict[str, Any]) -> None:
    """Every promise against what is true; `truth` is stream -> version, `log` how often each version stands there."""
    assert len(promises.done) > 20
    assert not promises.unknown
    lost = {stream: version for stream, version in promises.done.items() if truth.get(stream, 0) < version}
    assert not lost, "every accepted command has its effect"
    assert not promises.refused & truth.keys(), "no refused command has any"
    twice = {stream: seen for stream, seen in log.items() if sorted(seen) != list(range(1, len(seen) + 1))}
    assert not twice, "versions are whole"
    assert {s: v for s, v in promises.done.items() if truth[s] != v} == {}, "each has exactly one effect"
