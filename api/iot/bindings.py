"""Desired-state bindings: an artefact put on a target (contract, 6.8)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from api.auth import Caller
from api.gateway import Gate, Gateway, asked
from api.iot import plain
from api.iot.answers import Answer, Body, Id, Paged, PageOf, QueryText, Shown, path_id, present, sent, told
from api.iot.artefacts import BINDING, KIND
from api.iot.auth import Admin, Member
from api.iot.desired import ALL, ReportedState, ReportedStatus, TargetType, kin, pending, reached
from api.iot.devices import named, row_of
from api.iot.problems import Problem, invalid
from infra.postgres import Row
from projections.records import queries as records
from schemas.records.messages import PutRecord

router = APIRouter(prefix="/v1", tags=["Desired state"])
BindingId = Annotated[str, path_id("bindingId")]
TARGETS = {
    "COMPONENT": "component", "DEVICE_GROUP": "group", "DEVICE_PROFILE": "device-profile",
    "SENSOR_PROFILE": "sensor-profile",
}  # fmt: skip
FITS = {
    "SENSOR_PROFILE": ("COMPONENT", "DEVICE", "DEVICE_GROUP", "SENSOR_PROFILE"),
    "DEVICE_PROFILE": ("DEVICE", "DEVICE_GROUP", "DEVICE_PROFILE"),
}
KINDS = {"SENSOR_PROFILE": "sensor-profile", "DEVICE_PROFILE": "device-profile"}


class BindingPut(Body):
    target_type: TargetType
    target_id: Id
    config_artefact_id: Id


class BindingRollup(Shown):
    """Counts over all resolved devices."""

    targets: int
    in_sync: int
    in_progress: int
    rejected: int
    failed: int
    pending: int


class DesiredStateBinding(Shown):
    """Puts one artefact on one target."""

    id: str
    target_type: TargetType
    target_id: str
    config_artefact_id: str
    artefact_name: str
    desired_version: int
    desired_hash: str
    reported: ReportedState | None = None
    rollup: BindingRollup | None = None
    created_by: str
    created_at: datetime
    updated_at: datetime


async def shown(gate: Gateway, caller: Caller, rows: list[Row]) -> list[dict[str, Any]]:
    """With how many devices they reach; none has reported yet, so all are pending."""
    async with gate.reading(caller) as db:
        reach = [len(await reached(db, row["body"])) for row in rows]
    none = {"inSync": 0, "inProgress": 0, "rejected": 0, "failed": 0}
    members = ("targetType", "targetId", "configArtefactId", "artefactName", "desiredVersion", "desiredHash")
    return [
        plain.shown(row, *members, rollup={"targets": n, **none, "pending": n}, createdBy=row["created_by"])
        for row, n in zip(rows, reach, strict=True)
    ]


@router.get("/desired-state-bindings", **told(PageOf[DesiredStateBinding], 400))
async def list_bindings(
    caller: Member,
    page: Paged,
    gate: Gate,
    target_type: Annotated[TargetType | None, Query(alias="targetType")] = None,
    target_id: Annotated[str | None, Query(alias="targetId")] = None,
    device_id: Annotated[str | None, Query(alias="deviceId")] = None,
    status: ReportedStatus | None = None,
    artefact_name: Annotated[QueryText | None, Query(alias="artefactName")] = None,
) -> Answer:
    """List bindings with reported state"""
    where = present(targetType=target_type, targetId=named(target_id, "targetId"), artefactName=artefact_name)
    also = [records.only([])] if status not in (None, "PENDING") else []
    if device_id is not None:
        wanted = named(device_id, "deviceId")
        async with gate.reading(caller) as db:
            rows, _ = await records.page(db, BINDING, where=where, limit=ALL)
            also.append(records.only([row["id"] for row in rows if wanted in await reached(db, row["body"])]))
    rows, total = await plain.listed(gate, caller, BINDING, page, where=where, also=also)
    return page.answer(await shown(gate, caller, rows), total)


PUT = told(DesiredStateBinding, 400, 403, 404, 409, 413, 422, status=201, body=BindingPut, keyed=False)
PUT["responses"][200] = {"model": DesiredStateBinding}


@router.put("/desired-state-bindings", **PUT)
async def put_binding(
    request: Request, caller: Admin, body: Annotated[BindingPut, Depends(sent(BindingPut))], gate: Gate
) -> Answer:
    """Upsert a binding: 201 created, 200 replaced"""
    artefact = (await plain.needed(gate, caller, KIND, body.config_artefact_id, "configArtefactId"))["body"]
    await aimed(gate, caller, body, artefact)
    target = {"targetType": body.target_type, "targetId": body.target_id, "artefactName": artefact["name"]}
    desired = {"desiredVersion": artefact["version"], "desiredHash": artefact["hash"]}
    of_profile = {name: artefact[name] for name in ("profileType", "profileId")}
    kept = {**target, **desired, **of_profile, "configArtefactId": body.config_artefact_id}
    async with gate.reading(caller) as db:
        rows, _ = await records.page(db, BINDING, where=target, limit=1)
    ask = asked(request, caller, request.state.raw)
    id = rows[0]["id"] if rows else ask.entity()
    await gate.ask(PutRecord(kind=BINDING, body=kept), stream=id, caller=caller, ask=ask)
    (said,) = await shown(gate, caller, [await plain.fetched(gate, caller, BINDING, id)])
    return Answer(said, 200 if rows else 201)


async def aimed(gate: Gateway, caller: Caller, body: BindingPut, artefact: dict[str, Any]) -> None:
    """Errors: Problem 404 for a target that is not there, 422 for one of another profile or another major."""
    if body.target_type not in FITS[artefact["profileType"]]:
        raise misfit("targetType")
    if body.target_type == "DEVICE":
        try:
            await row_of(gate, caller, body.target_id)
        except Problem:
            raise invalid("targetId", "NOT_FOUND", "There is no such device.", 404, "NOT_FOUND") from None
        return
    target = await plain.needed(gate, caller, TARGETS[body.target_type], body.target_id, "targetId")
    if body.target_type == "DEVICE_GROUP":
        return
    profile = target["body"].get("profile") if body.target_type == "COMPONENT" else body.target_id
    kind = KINDS[artefact["profileType"]]
    async with gate.reading(caller) as db:
        held = [await records.one(db, kind, id) for id in (artefact["profileId"], profile) if id]
    if len({kin(row) for row in held if row is not None}) != 1 or profile is None:
        raise misfit("targetId")


def misfit(field: str) -> Problem:
    return invalid(field, "CONFLICT", "The artefact does not fit such a target.", 422, "INVALID_REFERENCE")


@router.get("/desired-state-bindings/{bindingId}", **told(DesiredStateBinding, 404))
async def get_binding(id: BindingId, caller: Member, gate: Gate) -> Answer:
    """Read one binding"""
    (said,) = await shown(gate, caller, [await plain.fetched(gate, caller, BINDING, id)])
    return Answer(said)


@router.get("/desired-state-bindings/{bindingId}/reported", **told(PageOf[ReportedState], 400, 404))
async def list_binding_reports(
    id: BindingId, caller: Member, page: Paged, gate: Gate, status: ReportedStatus | None = None
) -> Answer:
    """Per-device reported state"""
    row = await plain.fetched(gate, caller, BINDING, id)
    async with gate.reading(caller) as db:
        found = await reached(db, row["body"]) if status in (None, "PENDING") else []
    return page.answer([pending(one) for one in found[page.offset : page.offset + page.size]], len(found))


@router.delete("/desired-state-bindings/{bindingId}", **told(None, 403, 404, status=204))
async def delete_binding(id: BindingId, caller: Admin, gate: Gate) -> Answer:
    """Remove a binding; the next best becomes effective"""
    row = await plain.fetched(gate, caller, BINDING, id)
    await plain.retired(gate, caller, BINDING, row["id"])
    return Answer(None, 204)
