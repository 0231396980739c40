"""The list of models (`GET /cpt/functions`): filtered, sorted, paged, over all that the caller sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.gateway import Gate
from api.nx import sharing, wire
from api.nx.auth import Acting
from api.nx.compute import Limit, Offset, Reader, bodies, listed
from api.nx.problems import Problem, unknown
from api.nx.wire import NIL, FunctionStatus, known_id
from infra.postgres import Row
from projections.models import queries
from projections.records import queries as records

router = APIRouter()


@router.get("/functions", operation_id="listFunctions", tags=["Function"], responses=listed(wire.Function, 404))
async def functions(
    request: Request,
    gate: Gate,
    who: Reader,
    limit: Limit = 100,
    offset: Offset = 0,
    catalogue: Annotated[str | None, Query(alias="Catalogue", description="UUID; nil means every visible one")] = None,
    customization: Annotated[str | None, Query(alias="Customization")] = None,
    order: Annotated[str, Query(alias="OrderBy", pattern="^-?(UpdatedAt|InsertedAt|Name|Status)$")] = "-UpdatedAt",
    search: Annotated[str | None, Query(alias="Search")] = None,
    status: Annotated[FunctionStatus | None, Query(alias="Status")] = None,
    site: Annotated[str | None, Query(alias="Site", pattern=wire.NX_ID)] = None,
) -> Response:
    """List visible models"""
    if catalogue is not None and known_id(catalogue) is None:
        raise Problem(400, "Catalogue is a UUID", field="Catalogue")
    within = known_id(catalogue) if catalogue not in (None, NIL) else None
    if site is not None:
        who = at_one_site(await who.owning(gate, lambda db: sharing.site(db, str(known_id(site)))))
    seen = list(await sharing.foreign(gate, who))
    if within is not None:
        seen = [within] if within in seen else []

    async def part(one: Acting, limit: int, offset: int) -> tuple[list[sharing.Found], int]:
        async with gate.reading(one.caller) as db:
            wanted = queries.Filter(
                catalogue=within,
                customization=customization,
                named=search,
                status=status,
                runtimes=await runtimes(db, one, str(known_id(site))) if site else None,
            )
            others = seen if one is who else ()
            rows, total = await queries.models(
                db, wanted, limit=limit, offset=offset, order=ORDERS[order], shared=others
            )
            return list(zip(rows, await bodies(request, db, one, rows), strict=True)), total

    key = SORTED[order.removeprefix("-")]
    return await sharing.merged(who, part, key, descending=order.startswith("-"), limit=limit, offset=offset)


def at_one_site(who: Acting) -> Acting:
    """A site's models are those that its organisation sees."""
    return msgspec.structs.replace(who, others=())


ORDERS: dict[str, queries.Order] = {
    "UpdatedAt": "updated",
    "-UpdatedAt": "-updated",
    "InsertedAt": "inserted",
    "-InsertedAt": "-inserted",
    "Name": "name",
    "-Name": "-name",
    "Status": "status",
    "-Status": "-status",
}
SORTED: dict[str, Callable[[Row], Any]] = {
    "UpdatedAt": lambda row: (row["updated_at"], row["id"]),
    "InsertedAt": lambda row: (row["created_at"], row["id"]),
    "Name": lambda row: (row["name"].lower(), row["id"]),
    "Status": lambda row: (row["status"], row["id"]),
}


async def runtimes(db: Any, who: Acting, site: str) -> tuple[str, ...]:
    """The runtimes of a site's servers.

    Errors: Problem 404 for a site that is not seen.
    """
    if who.site not in (None, site) or await records.one(db, "site", site) is None:
        raise unknown()
    servers, _ = await records.page(db, "server", where={"site": site}, limit=500)
    return tuple({row["body"]["runtime"] for row in servers})
