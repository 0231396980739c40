"""Reads of the delivery log in ClickHouse."""

from __future__ import annotations

from typing import Any

from infra.clickhouse import Reader

LOG = """
select * from attempts final
where organisation = {org:String} and message = {message:String} and number > {after:UInt32}
order by number limit {limit:UInt32}
"""
P95 = """
select quantile(0.95)(total_ms) as p95, count() as tries from attempts final
where organisation = {org:String} and endpoint = {endpoint:String} and started_at > now() - interval 1 day
"""


async def attempts(
    reader: Reader, organisation: str, message: str, *, after: int = 0, limit: int = 250
) -> list[dict[str, Any]]:
    """Tries of a message behind a number, in order."""
    return await reader.rows(LOG, organisation, org=organisation, message=message, after=after, limit=limit)


async def p95(reader: Reader, organisation: str, endpoint: str) -> float | None:
    """Milliseconds of a try in the last day; none without tries."""
    (found,) = await reader.rows(P95, organisation, org=organisation, endpoint=endpoint)
    return float(found["p95"]) if found["tries"] else None
