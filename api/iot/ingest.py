"""Readings over HTTP, for virtual devices (contract, 6.10, 7.4): one fact on the log, judged as the lane will."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Depends, Request

from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, asked
from api.iot import values
from api.iot.answers import Answer, moment, sent, told
from api.iot.auth import Admin
from api.iot.devices import row_of
from api.iot.problems import FieldError, Problem, away
from api.iot.readings import Stores
from projections.telemetry import queries as telemetry
from schemas.base import asking
from schemas.telemetry.messages import AcceptReadings, Reading, Readings

router = APIRouter(prefix="/v1/readings", tags=["Readings"])
BIGINT = range(-(2**63), 2**63)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Misfit(ValueError):
    """An item that is no message of the device contract."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(field)
        self.field, self.code, self.message = field, code, message


@router.post("", **told(values.IngestResult, 400, 403, 404, 409, 413, status=202, body=values.IngestRequest))
async def ingest_readings(
    request: Request,
    caller: Admin,
    body: Annotated[values.IngestRequest, Depends(sent(values.IngestRequest))],
    gate: Gate,
    stores: Stores,
) -> Answer:
    """HTTP ingest for virtual devices"""
    device = await row_of(gate, caller, body.device_id)
    if not device["virtual"] or device["status"] == "INACTIVE":
        detail = "The device is inactive." if device["virtual"] else "A device with a certificate uses the broker."
        raise Problem(409, "INVALID_STATE", detail, FieldError("deviceId", "CONFLICT", detail))
    ask = asked(request, caller, request.state.raw)
    fact = Readings(device=device["id"], readings=tuple(readings(body.readings)))
    meta = asking(device["id"], organisation=caller.organisation, actor=caller.actor, id=ask.id)
    async with gate.reading(caller) as db:
        counts = await telemetry.weighed(db, stores, fact, meta)
    if ask.keyed:
        counts, sent_at = await first(gate, caller, ask, device["id"], counts)
        meta = msgspec.structs.replace(meta, time=sent_at)
    await gate.send(fact, meta)
    said = {
        "accepted": counts.accepted,
        "duplicates": counts.duplicates,
        "quarantined": len(counts.quarantined),
    }
    return Answer({**said, **({"quarantineIds": counts.quarantined} if counts.quarantined else {})}, 202)


async def first(
    gate: Gateway, caller: Caller, ask: Ask, device: str, counts: telemetry.Weighed
) -> tuple[telemetry.Weighed, datetime]:
    """What was answered to the first request under this key, and when it came: sent again with that time, readings
    are judged as they were, so that a repeat also mends a request that broke off half-way.

    Errors: Refused `idempotency.mismatch` for another body.
    """
    id = ask.entity()
    await gate.ask(AcceptReadings(device=device, **msgspec.structs.asdict(counts)), stream=id, caller=caller, ask=ask)
    async with gate.reading(caller) as db:
        row = await telemetry.answered(db, id)
    if row is None:
        raise away()
    return telemetry.Weighed(row["accepted"], row["duplicates"], tuple(row["quarantined"])), row["created_at"]


def readings(items: list[Any]) -> list[Reading]:
    """Every item as readings.

    Errors: Problem 400 that names each field at fault; nothing is taken then.
    """
    found: list[Reading] = []
    wrong: list[FieldError] = []
    for n, item in enumerate(items):
        try:
            found += parsed(item)
        except Misfit as problem:
            place = f"readings[{n}]"
            field = f"{place}.{problem.field}" if problem.field else place
            wrong.append(FieldError(field, problem.code, problem.message))
    if wrong:
        raise Problem(400, "VALIDATION_FAILED", "The request is not valid.", *wrong)
    return found


def parsed(item: Any) -> Iterator[Reading]:
    """A scalar message as one reading, a structured one as one a field and array element."""
    if not isinstance(item, dict):
        raise Misfit("", "INVALID_FORMAT", "is no object")
    shared: dict[str, Any] = {"ts": milliseconds(item), "metadata": metadata(item)}
    if "componentKey" not in item:
        yield Reading(sensor=text(item, "sensorId"), **shared, **column(needed(item, "value"), "value"))
        return
    part, fields = text(item, "componentKey"), needed(item, "values")
    if not isinstance(fields, dict) or not fields:
        raise Misfit("values", "INVALID_FORMAT", "is no object with members")
    version = text(item, "profileVersion") if item.get("profileVersion") is not None else None
    for name, value in fields.items():
        elements = enumerate(value) if isinstance(value, list) else [(None, value)]
        for n, element in elements:
            key = name if n is None else f"{name}[{n}]"
            yield Reading(sensor=key, component=part, profile=version, **shared, **column(element, f"values.{key}"))


def needed(item: dict[str, Any], name: str) -> Any:
    if name not in item:
        raise Misfit(name, "REQUIRED", "is missing")
    return item[name]


def text(item: dict[str, Any], name: str) -> str:
    value = needed(item, name)
    if not isinstance(value, str):
        raise Misfit(name, "INVALID_FORMAT", "is no text")
    return value


def milliseconds(item: dict[str, Any]) -> int:
    try:
        return (moment(datetime.fromisoformat(text(item, "timestamp"))) - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as problem:
        if isinstance(problem, Misfit):
            raise
        raise Misfit("timestamp", "INVALID_FORMAT", "is no ISO-8601 time") from None


def metadata(item: dict[str, Any]) -> str | None:
    value = item.get("metadata")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Misfit("metadata", "INVALID_FORMAT", "is no object")
    return orjson.dumps(value).decode()


def column(value: Any, field: str) -> dict[str, Any]:
    """The one member that the JSON type fills; none for what is no value (the lane puts that aside)."""
    match value:
        case bool():
            return {"b": value}
        case int():
            if value not in BIGINT:
                raise Misfit(field, "OUT_OF_RANGE", "is beyond 64 bits")
            return {"i": value}
        case float():
            return {"d": value}
        case str():
            return {"t": value}
        case _:
            return {}
