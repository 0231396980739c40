"""State and result of a job, polled (contract, sections 4 and 10)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence

import msgspec
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.noxovision import document, wire
from api.noxovision.auth import Reader
from api.noxovision.door import Door
from api.noxovision.paths import operation
from api.noxovision.problems import Problem, invalid_header, unknown_job
from infra.objects import Objects
from infra.postgres import Row
from projections.analysis import queries
from projections.webhooks import queries as webhooks
from streams.analysis.envelope import Kind, envelope, error_of, id_of, job_id

LONGEST_WAIT = 60
SECONDS = re.compile(r"[0-9]{1,9}|\"[0-9]{1,9}\"")
TERMINAL = ("finished", "failed")

router = APIRouter(tags=["Results"])


class Seen(msgspec.Struct, frozen=True):
    """A job as it stood, and the tag of what can be shown of it."""

    row: Row
    items: Sequence[Row]
    deliveries: Sequence[str]
    tag: str

    @property
    def over(self) -> bool:
        return self.row["status"] in TERMINAL


def wait_of(request: Request) -> int | None:
    """Seconds of a long poll; None without one. What else is preferred is passed over (RFC 7240).

    Errors: Problem 400.
    """
    for preference in listed(request, "prefer"):
        name, _, value = (part.strip() for part in preference.partition(";")[0].partition("="))
        if name.lower() == "wait":
            if not SECONDS.fullmatch(value):
                raise invalid_header("Prefer", f"wait takes 0 to {LONGEST_WAIT} seconds")
            return min(int(value.strip('"')), LONGEST_WAIT)
    return None


def listed(request: Request, name: str) -> list[str]:
    """The members of a header that is a list, on however many lines."""
    return [part.strip() for line in request.headers.getlist(name) for part in line.split(",")]


def unchanged(request: Request, tag: str) -> bool:
    """Whether the caller has this already (RFC 9110, 13.1.2)."""
    said = listed(request, "if-none-match")
    return said == ["*"] or tag in {one.removeprefix("W/") for one in said}


async def look(
    gate: Gateway, caller: Caller, id: str, *, wait: float, known: str | None, deliveries: bool
) -> Seen | None:
    """The job, and the ids of its `deliveries` if they matter; with `wait`, as soon as it differs from the tag
    `known`."""

    async def query(db: object) -> Seen | None:
        row = await queries.job(db, id)  # type: ignore[arg-type]
        if row is None:
            return None
        items = await queries.items(db, id) if row["kind"] == "images" else ()  # type: ignore[arg-type]
        sent = await webhooks.of_job(db, job_id(row["kind"], id)) if deliveries else ()  # type: ignore[arg-type]
        seen = Seen(row, items, sent, tag_of(row, items, sent))
        return seen if seen.tag != known else None

    return await gate.until(caller.organisation, query, wait=wait)


def tag_of(row: Row, items: Sequence[Row], deliveries: Sequence[str]) -> str:
    """Strong: over everything that the answer is made of, the result by its digest."""
    parts = [row["status"], row["code"], row["result_sha256"], row["attempts"], row["erased_at"]]
    parts += [(item["status"], item["code"], item["result_key"]) for item in items]
    parts += deliveries
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


async def polled(
    request: Request, caller: Caller, gate: Gateway, id: str | None, *, deliveries: bool = False
) -> tuple[Seen, dict[str, str]]:
    """The job as the caller's headers ask for it, and the headers of the answer.

    Errors: Problem 400, 404.
    """
    wait = wait_of(request)
    seen = None if id is None else await look(gate, caller, id, wait=0, known=None, deliveries=deliveries)
    if seen is None or id is None:
        raise unknown_job()
    stale = "if-none-match" in request.headers and not unchanged(request, seen.tag)
    if wait and not seen.over and not stale:
        seen = await look(gate, caller, id, wait=wait, known=seen.tag, deliveries=deliveries) or seen
    headers = {"ETag": seen.tag}
    if wait is not None:
        headers["Preference-Applied"] = f"wait={wait}"
    if not seen.over:
        door: Door = request.app.state.door
        headers["Retry-After"] = str(await door.figures.remaining(gate, seen.row["kind"]))
    return seen, headers


async def shown(request: Request, caller: Caller, gate: Gateway, kind: Kind, shown_id: str) -> Response:
    seen, headers = await polled(request, caller, gate, id_of(kind, shown_id))
    if seen.row["kind"] != kind:
        raise unknown_job()
    if seen.row["erased_at"] is not None:
        raise Problem(410, "erased", "the result was erased")
    if unchanged(request, seen.tag):
        return Response(status_code=304, headers=headers)
    objects: Objects = request.app.state.door.objects
    try:
        body = await body_of(objects, seen)
    except FileNotFoundError:  # erased between the look and the read
        raise Problem(410, "erased", "the result was erased") from None
    return Response(body, 200, headers, "application/json")


async def body_of(objects: Objects, seen: Seen) -> bytes:
    row, payload = seen.row, None
    if row["status"] == "finished":
        payload = await objects.get(row["result_key"])
    elif row["kind"] == "images" and row["status"] != "queued":
        payload = orjson.dumps(await items_of(objects, seen.items))
    return envelope(wire.head_of(row), payload=payload, error=wire.error_of(row))


async def items_of(objects: Objects, rows: Sequence[Row]) -> list[dict[str, object]]:
    """Items of a batch that has not finished: what is done already is shown."""
    return list(await asyncio.gather(*(item_of(objects, row) for row in rows)))


async def item_of(objects: Objects, row: Row) -> dict[str, object]:
    item: dict[str, object] = {
        "index": row["position"],
        "external_id": row["external_id"],
        "status": row["status"],
    }
    if row["status"] == "finished" and row["result_key"] is not None:
        item["result"] = orjson.Fragment(await objects.get(row["result_key"]))
    error = wire.error_of(row)
    if error is not None:
        item["error"] = error_of(error)
    return item


@operation(
    router,
    "GET",
    "getVideoResult",
    openapi_extra=document.POLLING,
    responses=document.polled(wire.VideoJob, "State, and the result when finished", 410),
)
async def video_result(request: Request, caller: Reader, gate: Gate, job_id: str) -> Response:
    """State and result of a video job"""
    return await shown(request, caller, gate, "video", job_id)


@operation(
    router,
    "GET",
    "getImagesResult",
    openapi_extra=document.POLLING,
    responses=document.polled(wire.ImagesJob, "State and items", 410),
)
async def images_result(request: Request, caller: Reader, gate: Gate, job_id: str) -> Response:
    """State and per-item results of a batch"""
    return await shown(request, caller, gate, "images", job_id)
