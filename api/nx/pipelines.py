"""What a device runs (`/dev`): assign, replace, clear, clone."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.gateway import Ask, Gate, Refused, asked
from api.nx import problems, sharing, trees
from api.nx.auth import Acting
from api.nx.compute import Limit, Offset, identified, listed
from api.nx.device import ONE, Here, Writer, device_of, site_of
from api.nx.problems import Problem, answers
from api.nx.wire import Json, Message, answer, page
from infra.postgres import Row
from projections.fleet import queries as fleet
from projections.models import queries as models
from projections.records import queries as records
from schemas.base import Command
from schemas.models.messages import AddPipelines, PipelineModel, PipelineServer, RemovePipelines, SetPipelines

router = APIRouter(tags=["Pipeline"])
PORTAL = "/system/{systemNxID}/devices/pipelines"
CHANGED = answers(Message, 404, 409)
SENSITIVITY = 0.5
"""Score threshold of a model that takes one, where nobody says otherwise."""


async def can(db: Any, site: Row, device: Row) -> PipelineServer:
    """What the device's server can do; a device without one runs nothing."""
    row = await records.one(db, "server", device["server"]) if device["server"] else None
    if row is None:
        return PipelineServer(online=site["body"]["online"], supports_pipelines=False)
    body = row["body"]
    return PipelineServer(
        online=site["body"]["online"],
        supports_pipelines=body["supports_pipelines"],
        runtime=body["runtime"],
        preprocessors=tuple(body["preprocessors"]),
        postprocessors=tuple(body["postprocessors"]),
    )


async def usable(db: Any, ids: set[str]) -> tuple[PipelineModel, ...]:
    """What the models can do; one that the organisation does not see is not among them."""
    return tuple(
        PipelineModel(
            id=row["id"],
            status=row["status"],
            targets=tuple(row["targets"]),
            boxes=tuple(row["boxes"]),
            flags=tuple(row["flags"]),
            shared=row["shared"],
        )
        for row in await sharing.usable(db, ids)
    )


async def send(gate: Gate, who: Acting, device: str, command: Command, ask: Ask | None = None) -> None:
    await gate.ask(command, stream=f"pipelines:{device}", caller=who.caller, ask=ask)


def offline() -> Problem:
    return Problem(409, "The site is offline: its devices cannot be changed")


@router.get(f"{ONE}/functions", operation_id="listDeviceFunctions", responses=listed(trees.Assignment, 404))
async def assignments(
    systemNxID: str,  # noqa: N803
    deviceNxID: str,  # noqa: N803
    gate: Gate,
    who: Here,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Models assigned to a device"""
    async with gate.reading(who.caller) as db:
        device = await device_of(db, await site_of(db, who, systemNxID), deviceNxID)
        runs: Any = (await models.pipelines(db, [device["id"]])).get(device["id"], [])
        named = {row["id"]: row["name"] for row in await sharing.usable(db, {root["model"] for root in runs})}
    shown = [
        {"FunctionID": root["model"], "Name": named.get(root["model"], ""), "PipelineIndex": n, "Status": "pending"}
        for n, root in enumerate(runs)
    ]
    return page(shown[offset : offset + limit], len(shown))


@router.post(f"{ONE}/functions", operation_id="assignDeviceFunction", responses=CHANGED)
async def assign(
    systemNxID: str,  # noqa: N803
    deviceNxID: str,  # noqa: N803
    body: trees.Assignments,
    request: Request,
    gate: Gate,
    who: Writer,
) -> Response:
    """Assign a model to a device as a new pipeline"""
    ids = [one.function_id for one in body]
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, systemNxID)
        device = await device_of(db, site, deviceNxID)
        command = AddPipelines(
            device=device["id"],
            server=await can(db, site, device),
            pipelines=[{"model": id, "nms": await sensitivity(db, id)} for id in ids],
            models=await usable(db, set(ids)),
        )
    await send(gate, who, device["id"], command, asked(request, who.caller, " ".join(ids).encode()))
    return answer({"Message": "Ok", "UUID": device["id"]})


async def sensitivity(db: Any, model: str) -> float | None:
    """The default threshold of a model that takes one."""
    tensors = [spec["name"] for row in await sharing.usable(db, {model}) for spec in row["named_input"]]
    return SENSITIVITY if any(name.startswith("nms_sensitivity") for name in tensors) else None


@router.delete(f"{ONE}/functions", operation_id="clearDeviceFunctions", responses=CHANGED)
async def clear(systemNxID: str, deviceNxID: str, gate: Gate, who: Writer) -> Response:  # noqa: N803
    """Remove every pipeline of a device"""
    return await take_off(systemNxID, deviceNxID, None, gate, who)


@router.delete(f"{ONE}/function/{{functionUUID}}", operation_id="unassignDeviceFunction", responses=CHANGED)
async def unassign(systemNxID: str, deviceNxID: str, functionUUID: str, gate: Gate, who: Writer) -> Response:  # noqa: N803
    """Remove pipelines rooted at a model"""
    return await take_off(systemNxID, deviceNxID, identified(functionUUID), gate, who)


async def take_off(site_id: str, device_id: str, model: str | None, gate: Gate, who: Acting) -> Response:
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, site_id)
        device = await device_of(db, site, device_id)
    command = RemovePipelines(device=device["id"], model=model, online=site["body"]["online"])
    await send(gate, who, device["id"], command)
    return answer({"Message": "Ok", "UUID": device["id"]})


@router.get(
    f"{ONE}/pipelines",
    operation_id="getDevicePipelines",
    responses=answers(list[trees.Pipeline], 404),
)
async def pipelines(systemNxID: str, deviceNxID: str, gate: Gate, who: Here) -> Response:  # noqa: N803
    """Read the pipeline trees of a device"""
    async with gate.reading(who.caller) as db:
        device = await device_of(db, await site_of(db, who, systemNxID), deviceNxID)
        runs: Any = (await models.pipelines(db, [device["id"]])).get(device["id"], [])
    return answer([trees.pipeline(root) for root in runs])


@router.put(
    f"{ONE}/pipelines",
    operation_id="setDevicePipelines",
    responses=answers(list[trees.Pipeline], 404, 409),
)
async def set_pipelines(
    systemNxID: str,  # noqa: N803
    deviceNxID: str,  # noqa: N803
    body: list[trees.Pipeline],
    gate: Gate,
    who: Writer,
) -> Response:
    """Replace the pipeline trees of a device"""
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, systemNxID)
        device = await device_of(db, site, deviceNxID)
        command = await setting(db, site, device, [root.neutral() for root in body], used(body))
    await send(gate, who, device["id"], command)
    return await pipelines(systemNxID, deviceNxID, gate, who)


def used(roots: list[trees.Pipeline]) -> set[str]:
    return set[str]().union(*(root.models() for root in roots))


async def setting(db: Any, site: Row, device: Row, roots: list[Json], ids: set[str]) -> SetPipelines:
    server = await can(db, site, device)
    return SetPipelines(device=device["id"], server=server, pipelines=roots, models=await usable(db, ids))


@router.put(PORTAL, operation_id="setDevicesPipelines", responses=answers(trees.BulkResult, 404, 409))
async def set_many(systemNxID: str, body: trees.BulkPipelines, gate: Gate, who: Writer) -> Response:  # noqa: N803
    """Replace the pipelines of many devices of a site"""
    ids = used(body.pipelines)
    if set(body.functions) != ids:
        raise Problem(422, "Functions are not the models in Pipelines", field="Functions")
    roots = [root.neutral() for root in body.pipelines]
    return await apply_to(gate, who, systemNxID, body.devices, roots, ids)


@router.post(f"{PORTAL}/clone", operation_id="cloneDevicePipelines", responses=answers(trees.BulkResult, 404, 409))
async def clone(systemNxID: str, body: trees.Clone, gate: Gate, who: Writer) -> Response:  # noqa: N803
    """Copy one device's pipelines to others"""
    async with gate.reading(who.caller) as db:
        source = await device_of(db, await site_of(db, who, systemNxID), body.source)
        roots: Any = (await models.pipelines(db, [source["id"]])).get(source["id"], [])
    ids = used([trees.Pipeline.model_validate(trees.pipeline(root)) for root in roots])
    return await apply_to(gate, who, systemNxID, body.devices, roots, ids)


async def apply_to(
    gate: Gate, who: Acting, site_id: str, devices: list[str], roots: list[Json], ids: set[str]
) -> Response:
    """Each device on its own, whole or not at all; unknown ones are passed over.

    Errors: Problem when nothing was applied: 409 offline, 422 no device known, or what the first was refused for.
    """
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, site_id)
        if not site["body"]["online"]:
            raise offline()
        wanted = fleet.Filter(site=site["id"], ids=tuple(devices))
        found = {row["id"]: row for row in (await fleet.devices(db, wanted, limit=len(devices)))[0]}
        if not found:
            raise Problem(422, "No devices are applicable", field="Devices")
        commands = {id: await setting(db, site, row, roots, ids) for id, row in found.items()}
    results: list[Json] = []
    refusals: list[Refused] = []
    for id in dict.fromkeys(devices):
        said = ("skipped", "Not a device of this site")
        if id in commands:
            try:
                await send(gate, who, id, commands[id])
                said = ("applied", "")
            except Refused as refused:
                refusals.append(refused)
                said = ("error", problems.of(refused).message)
        results.append({"NxID": trees.braced(id), "Status": said[0], "Message": said[1]})
    if refusals and all(result["Status"] != "applied" for result in results):
        raise refusals[0]
    return answer({"Message": "Ok", "Devices": results})
