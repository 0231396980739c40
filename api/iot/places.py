"""Sites and device groups (contract, 6.5)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, Field, model_validator

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import devices, leaving, plain, wire
from api.iot.answers import Answer, Body, Name, Paged, PageOf, QueryText, Shown, Text, path_id, sent, told
from api.iot.auth import Admin, Member
from infra.postgres import Row
from projections.fleet import queries as fleet
from schemas.fleet.messages import ChangeDevice

router = APIRouter(prefix="/v1", tags=["Sites and groups"])
SITE, GROUP = "site", "group"
SITE_MEMBERS = ("name", "description", "address", "location", "timezone", "metadata")
GROUP_MEMBERS = ("name", "description", "selector")
SiteId = Annotated[str, path_id("siteId")]
GroupId = Annotated[str, path_id("groupId")]
Q = Annotated[QueryText | None, Query(description="part of the name")]
ZONES = available_timezones()


def zone(name: str) -> str:
    if name not in ZONES:
        raise ValueError("is not an IANA time zone")
    return name


Zone = Annotated[Text, AfterValidator(zone)]


class SiteWrite(Body):
    name: Name
    description: Text | None = None
    address: Text | None = None
    location: wire.GeoLocation | None = None
    timezone: Zone | None = None
    metadata: wire.Metadata | None = None


class Site(Shown):
    """Place that devices are assigned to."""

    id: str
    name: str
    description: str | None = None
    address: str | None = None
    location: wire.GeoLocation | None = None
    timezone: str | None = None
    metadata: dict[str, Any] | None = None
    device_count: int
    created_at: datetime
    updated_at: datetime


class TagSelector(Body):
    """Membership predicate over device tags."""

    all_of: wire.Tags | None = None
    any_of: wire.Tags | None = None
    none_of: wire.Tags | None = None

    @model_validator(mode="after")
    def something(self) -> Self:
        if not (self.all_of or self.any_of or self.none_of):
            raise ValueError("names no tag")
        return self


class DeviceGroupWrite(Body):
    name: Name
    description: Text | None = None
    selector: TagSelector


class DeviceGroup(Shown):
    """Saved predicate over device tags."""

    id: str
    name: str
    description: str | None = None
    selector: TagSelector
    device_count: int = Field(ge=0)
    created_at: datetime
    updated_at: datetime


NewSite = Annotated[SiteWrite, Depends(sent(SiteWrite))]
NewGroup = Annotated[DeviceGroupWrite, Depends(sent(DeviceGroupWrite))]


async def sites(gate: Gateway, caller: Caller, rows: list[Row]) -> list[dict[str, Any]]:
    async with gate.reading(caller) as db:
        counts = await fleet.on_sites(db, [row["id"] for row in rows])
    return [site(row, counts.get(row["id"], 0)) for row in rows]


def site(row: Row, devices: int) -> dict[str, Any]:
    return plain.shown(row, *SITE_MEMBERS, deviceCount=devices)


async def groups(gate: Gateway, caller: Caller, rows: list[Row]) -> list[dict[str, Any]]:
    """Membership is counted anew on every read."""
    wanted = [devices.selecting(fleet.Filter(), row["body"].get("selector") or {}) for row in rows]
    async with gate.reading(caller) as db:
        counts = [await fleet.counted(db, one) for one in wanted]
    return [
        plain.shown(row, *GROUP_MEMBERS, deviceCount=count) | {"selector": row["body"].get("selector") or {}}
        for row, count in zip(rows, counts, strict=True)
    ]


async def one_site(gate: Gateway, caller: Caller, id: str) -> dict[str, Any]:
    (found,) = await sites(gate, caller, [await plain.fetched(gate, caller, SITE, id)])
    return found


async def one_group(gate: Gateway, caller: Caller, id: str) -> dict[str, Any]:
    (found,) = await groups(gate, caller, [await plain.fetched(gate, caller, GROUP, id)])
    return found


@router.get("/sites", **told(PageOf[Site], 400))
async def list_sites(caller: Member, page: Paged, gate: Gate, q: Q = None) -> Answer:
    """List sites"""
    rows, total = await plain.listed(gate, caller, SITE, page, q=q)
    return page.answer(await sites(gate, caller, rows), total)


@router.post("/sites", **told(Site, 400, 403, 409, 413, 422, status=201, body=SiteWrite))
async def create_site(request: Request, caller: Admin, body: NewSite, gate: Gate) -> Answer:
    """Create a site"""
    id = await plain.created(request, gate, caller, SITE, plain.members(body))
    return Answer(site(await plain.fetched(gate, caller, SITE, id), 0), 201)


@router.get("/sites/{siteId}", **told(Site, 404))
async def get_site(id: SiteId, caller: Member, gate: Gate) -> Answer:
    """Read a site"""
    return Answer(await one_site(gate, caller, id))


@router.put("/sites/{siteId}", **told(Site, 400, 403, 404, 409, 413, 422, body=SiteWrite))
async def update_site(id: SiteId, caller: Admin, body: NewSite, gate: Gate) -> Answer:
    """Replace a site; what other dialects know of it stays"""
    row = await plain.fetched(gate, caller, SITE, id)
    kept = {name: value for name, value in row["body"].items() if name not in SITE_MEMBERS}
    await plain.replaced(gate, caller, SITE, row["id"], {**kept, **plain.members(body)})
    return Answer(await one_site(gate, caller, row["id"]))


@router.delete("/sites/{siteId}", **told(None, 403, 404, 409, status=204))
async def delete_site(id: SiteId, caller: Admin, gate: Gate) -> Answer:
    """Delete a site; devices keep existing without it"""
    row = await plain.fetched(gate, caller, SITE, id)
    await plain.retired(gate, caller, SITE, row["id"])
    async with gate.reading(caller) as db:
        left = await fleet.at_site(db, row["id"])
    for device in left:
        await gate.ask(ChangeDevice(changes={"site": None}), stream=device, caller=caller)
    return Answer(None, 204)


@router.get("/device-groups", **told(PageOf[DeviceGroup], 400))
async def list_device_groups(caller: Member, page: Paged, gate: Gate, q: Q = None) -> Answer:
    """List device groups"""
    rows, total = await plain.listed(gate, caller, GROUP, page, q=q)
    return page.answer(await groups(gate, caller, rows), total)


@router.post("/device-groups", **told(DeviceGroup, 400, 403, 409, 413, 422, status=201, body=DeviceGroupWrite))
async def create_device_group(request: Request, caller: Admin, body: NewGroup, gate: Gate) -> Answer:
    """Create a device group"""
    id = await plain.created(request, gate, caller, GROUP, plain.members(body))
    return Answer(await one_group(gate, caller, id), 201)


@router.get("/device-groups/{groupId}", **told(DeviceGroup, 404))
async def get_device_group(id: GroupId, caller: Member, gate: Gate) -> Answer:
    """Read a device group"""
    return Answer(await one_group(gate, caller, id))


@router.put("/device-groups/{groupId}", **told(DeviceGroup, 400, 403, 404, 409, 413, 422, body=DeviceGroupWrite))
async def update_device_group(id: GroupId, caller: Admin, body: NewGroup, gate: Gate) -> Answer:
    """Replace a device group"""
    row = await plain.fetched(gate, caller, GROUP, id)
    await plain.replaced(gate, caller, GROUP, row["id"], plain.members(body))
    return Answer(await one_group(gate, caller, row["id"]))


@router.delete("/device-groups/{groupId}", **told(None, 403, 404, 409, status=204))
async def delete_device_group(id: GroupId, caller: Admin, gate: Gate) -> Answer:
    """Delete a device group; bindings on it go with it"""
    row = await plain.fetched(gate, caller, GROUP, id)
    await plain.retired(gate, caller, GROUP, row["id"])
    await leaving.with_target(gate, caller, row["id"])
    return Answer(None, 204)


@router.get("/device-groups/{groupId}/devices", **told(PageOf[wire.Device], 400, 404))
async def list_group_devices(id: GroupId, caller: Member, page: Paged, gate: Gate) -> Answer:
    """Devices currently matching"""
    row = await plain.fetched(gate, caller, GROUP, id)
    wanted = devices.selecting(fleet.Filter(), row["body"].get("selector") or {})
    return await devices.listed(gate, caller, page, wanted)
