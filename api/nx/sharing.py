"""What a caller sees beyond one organisation: its further ones, and what others share (contract, sections 3 and 5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.responses import Response

from api.gateway import Gateway
from api.nx import wire
from api.nx.auth import Acting
from api.nx.wire import Json
from infra.postgres import Row
from projections.models import queries as models
from projections.records import queries as records
from projections.tenancy import queries as tenancy

Found = tuple[Any, Json]
"""A row to sort by, and what is shown of it."""
Page = Callable[[Acting, int, int], Awaitable[tuple[list[Found], int]]]
"""A page of one organisation: limit and offset in, what is there and the total out."""


async def merged(
    who: Acting, page: Page, key: Callable[[Any], Any], *, descending: bool, limit: int, offset: int
) -> Response:
    """A page over every organisation that the caller sees."""
    if not who.others:
        found, total = await page(who, limit, offset)
        return wire.page([shown for _, shown in found], total)
    found, total = [], 0
    for one in who.each():
        there, count = await page(one, limit + offset, 0)
        found, total = found + there, total + count
    found.sort(key=lambda pair: key(pair[0]), reverse=descending)
    return wire.page([shown for _, shown in found[offset : offset + limit]], total)


async def shared(db: Any) -> list[str]:
    """Catalogues of others that the organisation sees; only the public ones where there is none."""
    return list(await records.shared_catalogues(db))


async def foreign(gate: Gateway, who: Acting) -> dict[str, Row]:
    """Catalogues that the caller sees and that are of none of its organisations."""
    own = {one.caller.organisation for one in who.each()}
    seen: dict[str, Row] = {}
    for one in who.each():
        async with gate.reading(one.caller) as db:
            seen |= await records.shared_catalogues(db)
    return {id: row for id, row in seen.items() if row["organisation"] not in own}


async def model(db: Any, id: str) -> Row | None:
    """A model that the organisation sees: its own, or one that is shared with it."""
    return await models.model(db, id) or await models.model(db, id, await shared(db))


async def site(db: Any, id: str) -> Row | None:
    """A site of the organisation."""
    return await records.one(db, "site", id)


async def usable(db: Any, ids: set[str]) -> list[Row]:
    """What a pipeline needs to know of those of these models that the organisation sees."""
    own = await models.usable(db, sorted(ids))
    return own if len(own) == len(ids) else await models.usable(db, sorted(ids), await shared(db))


async def owners(db: Any, who: Acting, rows: list[Row]) -> dict[str, Json]:
    """By its id, the entity that each of these things belongs to."""
    known = {one.caller.organisation: one.entity for one in who.each()}
    others = {row["organisation"] for row in rows} - set(known)
    found = await tenancy.owners(db, sorted(others)) if others else {}
    return known | {id: {"UUID": id, "Name": row["name"], "Kind": row["kind"]} for id, row in found.items()}
