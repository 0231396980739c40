"""Sites, servers and devices (`/dev`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from api.gateway import Gate
from api.nx import sharing, trees
from api.nx.auth import Acting, acting, where
from api.nx.compute import Limit, Offset, identified, listed
from api.nx.problems import Problem, answers, unknown
from api.nx.wire import NX_ID, Json, answer, known_id, page
from infra.postgres import Row
from projections.fleet import queries as fleet
from projections.models import queries as models
from projections.records import queries as records
from schemas.fleet.messages import ChangeDevice

router = APIRouter()
Reader = Annotated[Acting, Depends(acting("dev"))]
Here = Annotated[Acting, Depends(where("dev", "systemNxID", sharing.site))]
"""Who reads at the site of the path, in its organisation."""
Writer = Annotated[Acting, Depends(where("dev", "systemNxID", sharing.site, writes=True))]
SORTS: dict[str, tuple[str, Callable[[Row], Any]]] = {
    "Name": ("name", lambda row: (row["body"]["name"].lower(), row["id"])),
    "InsertedAt": ("created_at", lambda row: (row["created_at"], row["id"])),
    "UpdatedAt": ("updated_at", lambda row: (row["updated_at"], row["id"])),
}
MANY = 500
"""Servers of one site that are shown with its devices."""


async def site_of(db: Any, who: Acting, id: str) -> Row:
    """A site that the caller sees.

    Errors: Problem 404.
    """
    wanted = identified(id)
    row = await records.one(db, "site", wanted) if who.site in (None, wanted) else None
    if row is None:
        raise unknown()
    return row


async def device_of(db: Any, site: Row, id: str) -> Row:
    """A device of the site.

    Errors: Problem 404.
    """
    row = await fleet.device(db, identified(id))
    if row is None or row["site"] != site["id"]:
        raise unknown()
    return row


async def servers_of(db: Any, site: Row) -> dict[str, Row]:
    rows, _ = await records.page(db, "server", where={"site": site["id"]}, limit=MANY)
    return {row["id"]: row for row in rows}


async def systems_shown(db: Any, who: Acting, rows: list[Row]) -> list[Json]:
    ids = [row["id"] for row in rows]
    servers = await records.counts_by_site(db, "server", ids)
    devices = await fleet.counts_by_site(db, ids)
    return [trees.system(row, who.entity, servers.get(row["id"], 0), devices.get(row["id"], 0)) for row in rows]


async def devices_shown(db: Any, site: Row, rows: list[Row]) -> list[Json]:
    """Devices with their servers, groups and pipelines."""
    servers = await servers_of(db, site)
    runs: dict[str, Any] = await models.pipelines(db, [row["id"] for row in rows])
    named: dict[str, str] = {}
    for id in {id for row in rows for id in trees.settings_of(row).get("groups", ())}:
        group = await records.one(db, "group", id)
        named |= {id: group["body"]["name"]} if group else {}
    shown = []
    for row in rows:
        groups = [{"UUID": id, "Name": named[id]} for id in trees.settings_of(row).get("groups", ()) if id in named]
        shown.append(trees.device(row, servers.get(row["server"]), runs.get(row["id"], []), groups))
    return shown


@router.get("/systems", operation_id="listSystems", tags=["System"], responses=listed(trees.System))
async def systems(
    gate: Gate,
    who: Reader,
    limit: Limit = 100,
    offset: Offset = 0,
    order: Annotated[str, Query(alias="OrderBy", pattern="^-?(Name|InsertedAt|UpdatedAt)$")] = "Name",
    search: Annotated[str | None, Query(alias="Search")] = None,
    online: Annotated[bool | None, Query(alias="Online")] = None,
) -> Response:
    """List sites"""
    sort, key = SORTS[order.removeprefix("-")]
    descending = order.startswith("-")

    async def part(one: Acting, limit: int, offset: int) -> tuple[list[sharing.Found], int]:
        async with gate.reading(one.caller) as db:
            rows, total = await records.page(
                db,
                "site",
                where={} if online is None else {"online": online},
                also=[records.only([one.site])] if one.site else (),
                search=search,
                sort=sort,
                descending=descending,
                limit=limit,
                offset=offset,
            )
            return list(zip(rows, await systems_shown(db, one, rows), strict=True)), total

    return await sharing.merged(who, part, key, descending=descending, limit=limit, offset=offset)


@router.get("/system/{systemNxID}", operation_id="getSystem", tags=["System"], responses=answers(trees.System, 404))
async def system(systemNxID: str, gate: Gate, who: Here) -> Response:  # noqa: N803  # the contract's spelling
    """Get one site"""
    async with gate.reading(who.caller) as db:
        (shown,) = await systems_shown(db, who, [await site_of(db, who, systemNxID)])
    return answer(shown)


@router.get(
    "/system/{systemNxID}/servers", operation_id="listServers", tags=["Server"], responses=listed(trees.Server, 404)
)
async def servers(systemNxID: str, gate: Gate, who: Here, limit: Limit = 100, offset: Offset = 0) -> Response:  # noqa: N803
    """List servers of a site"""
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, systemNxID)
        rows, total = await records.page(
            db, "server", where={"site": site["id"]}, sort="name", descending=False, limit=limit, offset=offset
        )
    return page([trees.server(row) for row in rows], total)


@router.get(
    "/system/{systemNxID}/server/{serverNxID}",
    operation_id="getServer",
    tags=["Server"],
    responses=answers(trees.Server, 404),
)
async def server(systemNxID: str, serverNxID: str, gate: Gate, who: Here) -> Response:  # noqa: N803
    """Get one server"""
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, systemNxID)
        row = await records.one(db, "server", identified(serverNxID))
    if row is None or row["body"]["site"] != site["id"]:
        raise unknown()
    return answer(trees.server(row))


@router.get(
    "/system/{systemNxID}/devices",
    operation_id="listSystemDevices",
    tags=["Device"],
    responses=listed(trees.SystemDevice, 404),
)
async def devices(
    systemNxID: str,  # noqa: N803
    gate: Gate,
    who: Here,
    limit: Limit = 100,
    offset: Offset = 0,
    server: Annotated[str | None, Query(alias="Server", pattern=NX_ID)] = None,
    group: Annotated[str | None, Query(alias="Group", pattern=NX_ID)] = None,
) -> Response:
    """List devices of a site"""
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, systemNxID)
        wanted = fleet.Filter(
            site=site["id"],
            server=known_id(server) if server else None,
            metadata={"nx": {"groups": [known_id(group)]}} if group else None,
        )
        rows, total = await fleet.devices(db, wanted, limit=limit, offset=offset, order="name")
        return page(await devices_shown(db, site, rows), total)


ONE = "/system/{systemNxID}/device/{deviceNxID}"


@router.get(ONE, operation_id="getSystemDevice", tags=["Device"], responses=answers(trees.SystemDevice, 404))
async def device(systemNxID: str, deviceNxID: str, gate: Gate, who: Here) -> Response:  # noqa: N803
    """Get one device"""
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, systemNxID)
        (shown,) = await devices_shown(db, site, [await device_of(db, site, deviceNxID)])
    return answer(shown)


@router.patch(ONE, operation_id="updateSystemDevice", tags=["Device"], responses=answers(trees.SystemDevice, 404, 409))
async def change(
    systemNxID: str,  # noqa: N803
    deviceNxID: str,  # noqa: N803
    body: trees.DeviceSettings,
    gate: Gate,
    who: Writer,
) -> Response:
    """Change remote device settings"""
    async with gate.reading(who.caller) as db:
        site = await site_of(db, who, systemNxID)
        row = await device_of(db, site, deviceNxID)
        for group in body.groups or ():
            if await records.one(db, "group", group) is None:
                raise Problem(422, f"There is no group {group}", field="Groups")
    if not site["body"]["online"]:
        raise Problem(409, "The site is offline: its devices cannot be changed")
    said = {**trees.settings_of(row), **body.model_dump(by_alias=False, exclude_none=True)}
    metadata = {**(row["metadata"] or {}), "nx": said}
    await gate.ask(ChangeDevice(changes={"metadata": metadata}), stream=row["id"], caller=who.caller)
    return await device(systemNxID, deviceNxID, gate, who)
