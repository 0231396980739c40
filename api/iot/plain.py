"""Plain records of this dialect: a wire body in, a record's body out, and back. Everything else is shared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from pydantic import BaseModel

from api.auth import Caller
from api.gateway import Gateway, Refused, asked
from api.iot.answers import Page, of, present, stamp
from api.iot.problems import absent, in_use, invalid
from infra.postgres import Row
from projections.records import queries as records
from schemas.records.messages import PutRecord, RetireRecord
from streams.records import kinds

HEARING = (0.05, 0.1, 0.2, 0.4, 0.8, 0.0)
"""Pauses until a record has heard that who held it is gone."""
SORTS = {"createdAt": "created_at", "updatedAt": "updated_at", "name": "name"}


async def fetched(gate: Gateway, caller: Caller, kind: str, id: str) -> Row:
    """A live record.

    Errors: Problem 404.
    """
    async with gate.reading(caller) as db:
        row = await records.one(db, kind, of(id))
    if row is None:
        raise absent()
    return row


async def listed(
    gate: Gateway,
    caller: Caller,
    kind: str,
    page: Page,
    *,
    where: dict[str, Any] | None = None,
    q: str | None = None,
    also: Sequence[records.Also] = (),
) -> tuple[list[Row], int]:
    field, descending = page.order
    async with gate.reading(caller) as db:
        return await records.page(
            db,
            kind,
            where=where,
            search=q,
            sort=SORTS[field],
            descending=descending,
            limit=page.size,
            offset=page.offset,
            also=also,
        )


async def created(request: Request, gate: Gateway, caller: Caller, kind: str, body: dict[str, Any]) -> str:
    """Id of a new record."""
    ask = asked(request, caller, request.state.raw)
    id = ask.entity()
    await gate.ask(PutRecord(kind=kind, body=body), stream=id, caller=caller, ask=ask)
    return id


async def replaced(
    gate: Gateway, caller: Caller, kind: str, id: str, body: dict[str, Any], expected: int | None = None
) -> None:
    await gate.ask(PutRecord(kind=kind, body=body, expected=expected), stream=id, caller=caller)


async def needed(gate: Gateway, caller: Caller, kind: str, id: str, field: str, status: int = 404) -> Row:
    """The record that a body names.

    Errors: Problem 404, or 422 `INVALID_REFERENCE`, with the field.
    """
    async with gate.reading(caller) as db:
        row = await records.one(db, kind, id)
    if row is None:
        code = "NOT_FOUND" if status == 404 else "INVALID_REFERENCE"
        raise invalid(field, "NOT_FOUND", "There is no such thing here.", status, code)
    return row


async def retired(gate: Gateway, caller: Caller, kind: str, id: str) -> None:
    """Takes a record out of use.

    Errors: Problem 409 while others hold it.
    """
    for pause in HEARING:
        await free(gate, caller, kind, kind, id)
        try:
            await gate.ask(RetireRecord(kind=kind), stream=id, caller=caller)
            return
        except Refused as refusal:
            if refusal.code != "still_referenced" or not pause:
                raise
            await asyncio.sleep(pause)


async def free(gate: Gateway, caller: Caller, kind: str, told: str, *ids: str) -> None:
    """Nobody holds any of these: what the caller has just put is seen, of which the record itself hears a moment later.

    Errors: Problem 409, as `told` is refused.
    """
    if not (holders := kinds.holders(kind)):
        return
    async with gate.reading(caller) as db:
        if await records.holds(db, holders, ids):
            raise in_use(told)


def members(body: BaseModel) -> dict[str, Any]:
    """A wire body's members as they are kept."""
    return body.model_dump(mode="json", by_alias=True, exclude_none=True)


def stamps(row: Row) -> dict[str, Any]:
    return {"createdAt": stamp(row["created_at"]), "updatedAt": stamp(row["updated_at"])}


def shown(row: Row, *names: str, **more: Any) -> dict[str, Any]:
    """A record on the wire: its id, these members of its body, its times."""
    body = row["body"]
    return present(id=row["id"], **{name: body.get(name) for name in names}, **more, **stamps(row))
