"""A group of the contract that is one kind of plain record: list, create, read, replace, delete. What differs between
groups stands in a `Group`; the routes are the same."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from api.auth import Caller
from api.gateway import Gate, Gateway, asked
from api.iot import plain
from api.iot.answers import Answer, Paged, PageOf, Shown, path_id, sent, told
from api.iot.auth import needs
from infra.postgres import Connection, Row
from projections.records import queries as records


class Wanted(msgspec.Struct, frozen=True):
    """What a list narrows to: members, further conditions, part of the name."""

    where: dict[str, Any] = {}
    also: tuple[records.Also, ...] = ()
    q: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """A body to keep: who sent it, the record's id (a repeat's is the first one's), and the record that it replaces."""

    gate: Gateway
    caller: Caller
    body: Any
    id: str
    old: Row | None = None


async def as_sent(asked: Asked) -> dict[str, Any]:
    return plain.members(asked.body)


def everything() -> Wanted:
    return Wanted()


async def nothing_more(_gate: Gateway, _caller: Caller, _row: Row) -> None:
    """Nothing follows a deletion."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """`shown`: rows as they are answered; `kept`: a body as it is stored, after its checks; `wanted`: a dependency that
    reads the filters of the list; `before_delete` refuses with a Problem; `after_delete`: what goes with a record."""

    kind: str
    one: str
    many: str
    path: str
    parameter: str
    shape: type[Shown]
    write: type[BaseModel]
    shown: Callable[[Connection, list[Row]], Awaitable[list[dict[str, Any]]]]
    kept: Callable[[Asked], Awaitable[dict[str, Any]]] = as_sent
    wanted: Callable[..., Wanted | Awaitable[Wanted]] = everything
    writes: str = "admin"
    lists: bool = True
    before_delete: Callable[[Gateway, Caller, Row], Awaitable[None]] = nothing_more
    after_delete: Callable[[Gateway, Caller, Row], Awaitable[None]] = nothing_more


async def answered(group: Group, gate: Gateway, caller: Caller, id: str, status: int = 200) -> Answer:
    """One record as this group shows it.

    Errors: Problem 404.
    """
    row = await plain.fetched(gate, caller, group.kind, id)
    async with gate.reading(caller) as db:
        (found,) = await group.shown(db, [row])
    return Answer(found, status)


def serve(router: APIRouter, group: Group) -> None:
    """Adds the routes of a group."""
    if group.lists:
        add_list(router, group)
    add_read(router, group)
    add_writes(router, group)


def add_list(router: APIRouter, group: Group) -> None:
    reader, filters = Depends(needs("member")), Depends(group.wanted)

    @router.get(group.path, name=f"list_{group.many}", **told(PageOf[group.shape], 400))  # type: ignore[name-defined]
    async def listed(*, caller: Caller = reader, page: Paged, wanted: Wanted = filters, gate: Gate) -> Answer:
        rows, total = await plain.listed(
            gate, caller, group.kind, page, where=wanted.where, q=wanted.q, also=wanted.also
        )
        async with gate.reading(caller) as db:
            return page.answer(await group.shown(db, rows), total)


def add_read(router: APIRouter, group: Group) -> None:
    item = f"{group.path}/{{{group.parameter}}}"
    reader, place = Depends(needs("member")), path_id(group.parameter)

    @router.get(item, name=f"get_{group.one}", **told(group.shape, 404))
    async def read(*, id: str = place, caller: Caller = reader, gate: Gate) -> Answer:
        return await answered(group, gate, caller, id)


def add_writes(router: APIRouter, group: Group) -> None:
    item = f"{group.path}/{{{group.parameter}}}"
    writer, body_sent, place = Depends(needs(group.writes)), Depends(sent(group.write)), path_id(group.parameter)
    codes = (400, 403, 404, 409, 413, 422)

    @router.post(group.path, name=f"create_{group.one}", **told(group.shape, *codes, status=201, body=group.write))
    async def create(*, request: Request, caller: Caller = writer, body: Any = body_sent, gate: Gate) -> Answer:
        own = asked(request, caller, request.state.raw).entity()
        kept = await group.kept(Asked(gate, caller, body, own))
        id = await plain.created(request, gate, caller, group.kind, kept)
        return await answered(group, gate, caller, id, 201)

    @router.put(item, name=f"update_{group.one}", **told(group.shape, *codes, body=group.write))
    async def update(*, id: str = place, caller: Caller = writer, body: Any = body_sent, gate: Gate) -> Answer:
        row = await plain.fetched(gate, caller, group.kind, id)
        kept = await group.kept(Asked(gate, caller, body, row["id"], row))
        await plain.replaced(gate, caller, group.kind, row["id"], kept)
        return await answered(group, gate, caller, row["id"])

    @router.delete(item, name=f"delete_{group.one}", **told(None, 403, 404, 409, status=204))
    async def delete(*, id: str = place, caller: Caller = writer, gate: Gate) -> Answer:
        row = await plain.fetched(gate, caller, group.kind, id)
        await group.before_delete(gate, caller, row)
        await plain.retired(gate, caller, group.kind, row["id"])
        await group.after_delete(gate, caller, row)
        return Answer(None, 204)
