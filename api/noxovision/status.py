"""How fast the system is and how much of it is in use (contract, section 11): real figures, at most a second old."""

from __future__ import annotations

import math
import time
from typing import Annotated, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.gateway import Gate, Gateway
from api.noxovision import document, wire
from api.noxovision.auth import Reader
from api.noxovision.paths import operation
from api.noxovision.problems import later
from projections.analysis import queries

UNIT = {"video": "second", "image": "image"}
KIND = {"video": "video", "image": "images"}
GUESS_MS = 1000.0
"""For a unit, before any worker has ever tested itself."""
TASK_UNITS = {"video": 20.0, "images": 1.0}
"""Units of one task: a segment of a video, an image."""
FRESH = 1.0
SOONEST, LATEST = 1, 30

router = APIRouter(tags=["Status"])


class Load(msgspec.Struct, frozen=True):
    """Tasks being worked on, tasks waiting, slots of all workers."""

    running: int
    waiting: int
    slots: int


class Speed(msgspec.Struct, frozen=True):
    """Milliseconds a unit over the latest jobs; of the workers' self-test while there are none."""

    median: float
    p95: float
    samples: int
    span: int


Figure = TypeVar("Figure", Load, Speed)


class Figures:
    """The latest figures of this process: asked for at most once a second however many want them."""

    def __init__(self, tasks_per_slot: int) -> None:
        self.tasks_per_slot = tasks_per_slot
        self.known: dict[str, tuple[float, Load | Speed]] = {}

    async def load(self, gate: Gateway) -> Load:
        fresh = self.fresh("load")
        if isinstance(fresh, Load):
            return fresh
        async with gate.read("") as db:
            row = await queries.ahead(db)
        return self.keep("load", Load(row["running"], row["waiting"], row["slots"]))

    async def speed(self, gate: Gateway, kind: str) -> Speed:
        fresh = self.fresh(kind)
        if isinstance(fresh, Speed):
            return fresh
        async with gate.read("") as db:
            row = await queries.latency(db, kind)
        if row is None or row["median"] is None:
            return self.keep(kind, Speed(GUESS_MS, GUESS_MS, 0, 1))
        span = max(1, round(row["span"] or 1))
        return self.keep(kind, Speed(round(row["median"], 3), round(row["p95"], 3), row["samples"], span))

    def fresh(self, name: str) -> Load | Speed | None:
        at, figure = self.known.get(name, (-math.inf, None))
        return figure if time.monotonic() - at < FRESH else None

    def keep(self, name: str, figure: Figure) -> Figure:
        self.known[name] = (time.monotonic(), figure)
        return figure

    async def used(self, gate: Gateway) -> float:
        """Share of the work that the workers may have at hand and in their queue."""
        load = await self.load(gate)
        return min(1.0, (load.running + load.waiting) / (max(load.slots, 1) * self.tasks_per_slot))

    async def admit(self, gate: Gateway) -> None:
        """Errors: Problem 503 when the system has all the work it can take."""
        if await self.used(gate) >= 1:
            raise later("saturated", "too much work is queued", await self.remaining(gate, "video"))

    async def remaining(self, gate: Gateway, kind: str) -> int:
        """Seconds after which asking again may be worth it."""
        load, speed = await self.load(gate), await self.speed(gate, kind)
        rounds = (load.running + load.waiting) / max(load.slots, 1)
        seconds = rounds * TASK_UNITS[kind] * speed.median / 1000
        return max(SOONEST, min(LATEST, math.ceil(seconds)))


@operation(router, "GET", "getLatency", response_model=wire.Latency, responses=document.problems(422))
async def latency(
    request: Request, caller: Reader, gate: Gate, media_type: Annotated[Literal["video", "image"], Query()]
) -> Response:
    """Observed latency per media unit"""
    figures: Figures = request.app.state.figures
    speed = await figures.speed(gate, KIND[media_type])
    body = {
        "media_type": media_type,
        "unit": UNIT[media_type],
        "latency_ms_per_unit": speed.median,
        "latency_p95_ms_per_unit": speed.p95,
        "sample_count": speed.samples,
        "window_seconds": speed.span,
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


@operation(router, "GET", "getCapacity", response_model=wire.Capacity, responses=document.problems())
async def capacity(request: Request, caller: Reader, gate: Gate) -> Response:
    """Share of the system in use"""
    figures: Figures = request.app.state.figures
    body = {"used_system_capacity": round(await figures.used(gate), 4)}
    return Response(msgspec.json.encode(body), media_type="application/json")
