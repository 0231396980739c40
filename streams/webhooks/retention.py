"""How long what was sent is kept (contract, section 8). Tries end by themselves: ClickHouse lets them go after 90 days.

Rows are swept, not told of by events: a rebuild brings back what the log has, and the next sweep takes it again.
"""

from __future__ import annotations

from infra.postgres import Connection
from projections.webhooks.queries import KEPT

CALLBACK_KEPT = "7 days"
"""From a callback's end on: nobody but its receiver has the body, so it is not needed longer."""
LOG_KEPT = "90 days"
BODIES = f"""
update webhooks.messages set body = null, secret = null, headers = null where id in (
    select id from webhooks.messages
    where body is not null and ready is null
      and case when endpoint is null then updated_at < now() - interval '{CALLBACK_KEPT}'
               else created_at < now() - interval '{KEPT}' end
    limit $1)
"""
MESSAGES = f"""
delete from webhooks.messages where id in (
    select id from webhooks.messages where created_at < now() - interval '{LOG_KEPT}' and ready is null limit $1)
"""
EVENTS = f"""
delete from webhooks.events where id in (
    select e.id from webhooks.events e
    where e.created_at <= now() - interval '{KEPT}'
      and exists (select from webhooks.events n where n.organisation = e.organisation and n.version > e.version
                  and n.created_at <= now() - interval '{KEPT}')
    limit $1)
"""
MARKS = f"""
update webhooks.events set body = '{{}}', thin = null where id in (
    select id from webhooks.events where created_at <= now() - interval '{KEPT}' and body <> '{{}}' limit $1)
"""


async def expire(db: Connection, limit: int) -> bool:
    """Lets go of at most `limit` of each kind; whether there may be more. The last event that is past stays, empty: it
    marks where what can be read begins."""
    counts = [int((await db.execute(sql, limit)).split()[-1]) for sql in (BODIES, MESSAGES, EVENTS, MARKS)]
    return max(counts) >= limit
