"""Reference pairs: a component under observation beside one taken as truth, and how far they agree (contract, 6.12)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

import polars as pl
from fastapi import APIRouter, Query
from pydantic import Field, model_validator

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import plain
from api.iot.answers import Answer, Body, Id, Shown, Text, moment, path_id, present, stamp, told
from api.iot.auth import Member
from api.iot.devices import named
from api.iot.groups import Asked, Group, Wanted, serve
from api.iot.labels import utc
from api.iot.problems import Problem, invalid
from api.iot.ranges import ranged, sized
from api.iot.readings import From, Stores, To
from api.iot.values import Duration
from infra.clickhouse import Reader
from infra.postgres import Connection, Row
from projections.records import queries as records
from projections.telemetry import queries as telemetry
from projections.telemetry.buckets import Buckets
from projections.telemetry.queries import Range

router = APIRouter(prefix="/v1", tags=["Reference pairs"])
KIND = "reference-pair"
MEMBERS = ("name", "primaryComponentId", "referenceComponentId", "validFrom", "validTo", "fieldMappings", "notes")
PairId = Annotated[str, path_id("pairId")]
FieldName = Annotated[Text, Field(min_length=1, max_length=64)]
NUMERIC = ("DOUBLE", "BIGINT")
ENOUGH = 3
"""Fewer samples say nothing."""


class FieldMapping(Body):
    primary_field: FieldName
    reference_field: FieldName


class ReferencePairWrite(Body):
    name: Text | None = None
    primary_component_id: Id
    reference_component_id: Id
    valid_from: datetime
    valid_to: datetime | None = None
    field_mappings: list[FieldMapping] | None = Field(default=None, max_length=64)
    notes: Text | None = None

    @model_validator(mode="after")
    def ordered(self) -> Self:
        if self.valid_to is not None and moment(self.valid_to) <= moment(self.valid_from):
            raise ValueError("validTo comes after validFrom")
        return self


class ReferencePair(Shown):
    """Primary component measured against a reference component over a span."""

    id: str
    name: str | None = None
    primary_component_id: str
    reference_component_id: str
    valid_from: datetime
    valid_to: datetime | None = None
    field_mappings: list[FieldMapping] | None = None
    notes: str | None = None
    created_by: str
    created_at: datetime
    updated_at: datetime


class PairComparisonField(Shown):
    primary_field: str
    reference_field: str
    samples: int
    pearson: float | None = None
    bias: float | None = None
    mae: float | None = None
    rmse: float | None = None
    slope: float | None = None
    intercept: float | None = None


class PairComparison(Shown):
    pair_id: str
    start: datetime = Field(alias="from")
    to: datetime
    bucket: str
    fields: list[PairComparisonField]


async def shown(_db: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    return [plain.shown(row, *MEMBERS, createdBy=row["created_by"]) for row in rows]


async def kept(asked: Asked) -> dict[str, Any]:
    """Two components whose spans do not overlap.

    Errors: Problem 404, 409 PAIR_OVERLAP, 422.
    """
    body: ReferencePairWrite = asked.body
    gate, caller = asked.gate, asked.caller
    if body.primary_component_id == body.reference_component_id:
        raise invalid("referenceComponentId", "CONFLICT", "A pair has two components.", 422, "INVALID_REFERENCE")
    sides = {}
    for side, id in (("primary", body.primary_component_id), ("reference", body.reference_component_id)):
        await plain.needed(gate, caller, "component", id, f"{side}ComponentId")
        sides[side] = await fields(gate, caller, id)
    mapped(body, sides)
    await alone(gate, caller, body, asked.id)
    times = present(validFrom=utc(body.valid_from), validTo=utc(body.valid_to) if body.valid_to else None)
    return {**plain.members(body), **times}


async def fields(gate: Gateway, caller: Caller, component: str) -> dict[str, Row]:
    """The sensors of a component by key."""
    async with gate.reading(caller) as db:
        rows, _ = await records.page(db, "sensor", where={"component": component}, limit=10_000)
    return {row["body"]["key"]: row for row in rows}


def mapped(body: ReferencePairWrite, sides: dict[str, dict[str, Row]]) -> None:
    """Errors: Problem 422 for a mapped field that is there and not numeric."""
    for n, one in enumerate(body.field_mappings or ()):
        for side, field in (("primary", one.primary_field), ("reference", one.reference_field)):
            sensor = sides[side].get(field)
            if sensor is not None and sensor["body"]["value_type"] not in NUMERIC:
                place = f"fieldMappings[{n}].{side}Field"
                raise invalid(place, "CONFLICT", "Only numeric fields can be compared.", 422, "INVALID_REFERENCE")


async def alone(gate: Gateway, caller: Caller, body: ReferencePairWrite, own: str) -> None:
    """Errors: Problem 409 for a span that another pair of these two has part of."""
    where = {"primaryComponentId": body.primary_component_id, "referenceComponentId": body.reference_component_id}
    async with gate.reading(caller) as db:
        rows, _ = await records.page(db, KIND, where=where, limit=10_000)
    for row in rows:
        start, end = span(row["body"])
        first = body.valid_to is None or start < moment(body.valid_to)
        if row["id"] != own and first and (end is None or moment(body.valid_from) < end):
            raise invalid("validFrom", "CONFLICT", "Another pair has part of this span.", 409, "PAIR_OVERLAP")


def span(body: dict[str, Any]) -> tuple[datetime, datetime | None]:
    end = body.get("validTo")
    return datetime.fromisoformat(body["validFrom"]), datetime.fromisoformat(end) if end else None


def filters(
    primary: Annotated[str | None, Query(alias="primaryComponentId")] = None,
    reference: Annotated[str | None, Query(alias="referenceComponentId")] = None,
    device: Annotated[str | None, Query(alias="deviceId", description="either side")] = None,
    active_at: Annotated[datetime | None, Query(alias="activeAt")] = None,
) -> Wanted:
    where = present(
        primaryComponentId=named(primary, "primaryComponentId"),
        referenceComponentId=named(reference, "referenceComponentId"),
    )
    also: list[records.Also] = []
    if device is not None:
        also.append(records.on_device("primaryComponentId", "referenceComponentId", named(device, "deviceId") or ""))
    if active_at is not None:
        also += [records.not_after("validFrom", moment(active_at)), records.running("validTo", moment(active_at))]
    return Wanted(where=where, also=tuple(also))


serve(
    router,
    Group(
        kind=KIND, one="reference_pair", many="reference_pairs", path="/reference-pairs", parameter="pairId",
        shape=ReferencePair, write=ReferencePairWrite, shown=shown, kept=kept, wanted=filters,
    ),
)  # fmt: skip


@router.get("/reference-pairs/{pairId}/comparison", **told(PairComparison, 400, 404, 422))
async def compare_reference_pair(
    id: PairId, caller: Member, gate: Gate, stores: Stores, start: From = None, to: To = None, bucket: Duration = "PT1M"
) -> Answer:
    """Agreement statistics of a pair; the range is clipped to its span"""
    row = await plain.fetched(gate, caller, KIND, id)
    begin, end = ranged(start, to)
    first, last = span(row["body"])
    begin, end = max(begin, first), min(end, last) if last else end
    if begin > end:
        raise Problem(422, "RANGE_NOT_RETAINED", "The pair was not running then.")
    sizes = sized(bucket, "UTC", begin, end)
    primary = await fields(gate, caller, row["body"]["primaryComponentId"])
    reference = await fields(gate, caller, row["body"]["referenceComponentId"])
    found = []
    for one in mappings(row["body"], primary, reference):
        a = await averages(stores, caller, primary.get(one["primaryField"]), begin, end, sizes)
        b = await averages(stores, caller, reference.get(one["referenceField"]), begin, end, sizes)
        found.append({**one, **agreement(a, b)})
    said = {"pairId": row["id"], "from": stamp(begin), "to": stamp(end), "bucket": bucket, "fields": found}
    return Answer(said)


def mappings(body: dict[str, Any], primary: dict[str, Row], reference: dict[str, Row]) -> list[dict[str, str]]:
    """Those of the pair, else equal names of numeric fields."""
    if body.get("fieldMappings"):
        return list(body["fieldMappings"])
    both = sorted(
        key
        for key in primary.keys() & reference.keys()
        if {primary[key]["body"]["value_type"], reference[key]["body"]["value_type"]} <= set(NUMERIC)
    )
    return [{"primaryField": key, "referenceField": key} for key in both]


async def averages(
    stores: Reader, caller: Caller, sensor: Row | None, start: datetime, end: datetime, sizes: Buckets
) -> dict[int, float]:
    """Bucket -> mean of one side; nothing for a field that has never been measured."""
    if sensor is None or sensor["body"]["value_type"] not in NUMERIC:
        return {}
    wanted = Range(caller.organisation, sensor["id"], sensor["body"]["value_type"], start, end)
    found = await telemetry.aggregated(stores, wanted, sizes, ["AVG"])
    return {bucket: row["avg"] for bucket, row in found.items() if "avg" in row}


def agreement(primary: dict[int, float], reference: dict[int, float]) -> dict[str, Any]:
    """Statistics over the buckets that both sides have."""
    both = sorted(primary.keys() & reference.keys())
    if len(both) < ENOUGH:
        return {"samples": len(both)}
    frame = pl.DataFrame({"p": [primary[k] for k in both], "r": [reference[k] for k in both]})
    p, r = pl.col("p"), pl.col("r")
    (said,) = frame.select(
        pearson=pl.corr("p", "r"),
        bias=(p - r).mean(),
        mae=(p - r).abs().mean(),
        rmse=((p - r) ** 2).mean().sqrt(),
        slope=pl.cov("r", "p") / r.var(),
        mean_p=p.mean(),
        mean_r=r.mean(),
    ).to_dicts()
    mean_p, mean_r = said.pop("mean_p"), said.pop("mean_r")
    said["intercept"] = mean_p - said["slope"] * mean_r if said["slope"] is not None else None
    return {
        "samples": len(both),
        **{name: v for name, v in said.items() if v is not None and v == v and abs(v) < 1e308},
    }
