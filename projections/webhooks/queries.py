"""Reads of endpoints, deliveries and events. A caller's reads are under row-level security.

What a disabled endpoint means for its messages is told here, from both rows: it holds from the moment of disabling.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from infra.postgres import Connection, Row

KEPT = "14 days"
"""So long events can be read and sent again."""
ENDPOINT = """
select e.*, coalesce(r.health ->> 'circuit', 'closed') as circuit, r.health, s.delivered, s.failed, s.pending
from webhooks.endpoints e left join streams.receivers r on r.receiver = e.id
cross join lateral (
    select count(*) filter (where m.state = 'delivered') as delivered,
           count(*) filter (where m.state in ('exhausted', 'blocked')) as failed,
           count(*) filter (where m.ready is not null) as pending
    from webhooks.messages m
    where m.organisation = e.organisation and m.endpoint = e.id and m.created_at > now() - interval '24 hours') s
where e.retired_at is null
"""
DELIVERY = """
select m.*, coalesce(nullif(m.url, ''), e.url) as target,
       case when m.ready is not null and e.retired_at is not null then 'cancelled'
            when m.ready is not null and coalesce(m.asked, m.created_at) <= e.disabled_at then 'endpoint_disabled'
            when s.message is not null then 'sending'
            else m.state end as shown
from webhooks.messages m left join webhooks.endpoints e on e.id = m.endpoint
left join streams.sending s
    on s.message = m.id and s.number > m.attempts and s.until > now() and s.until < 'infinity'
"""


async def endpoint(db: Connection, id: str) -> Row | None:
    return await db.fetchrow(f"{ENDPOINT} and e.id = $1", id)


async def endpoints(db: Connection, *, limit: int, after: str | None = None) -> list[Row]:
    """Newest first; `after`: the last one of the page before."""
    return await db.fetch(
        f"""{ENDPOINT} and ($1::uuid is null or (e.created_at, e.id) <
                (select b.created_at, b.id from webhooks.endpoints b where b.id = $1))
            order by e.created_at desc, e.id desc limit $2""",
        after,
        limit,
    )


async def previous_expiry(db: Connection, endpoint: str) -> datetime | None:
    """When the latest former secret stops signing."""
    found: datetime | None = await db.fetchval(
        "select max(expires_at) from webhooks.secrets where endpoint = $1 and expires_at > now()", endpoint
    )
    return found


async def delivery(db: Connection, id: str) -> Row | None:
    return await db.fetchrow(f"{DELIVERY} where m.id = $1", id)


async def of_job(db: Connection, job: str) -> list[str]:
    """Ids of the deliveries that tell of a job, by its shown id."""
    rows = await db.fetch("select id from webhooks.messages where job = $1 order by created_at, id", job)
    return [row["id"] for row in rows]


async def deliveries(
    db: Connection,
    *,
    limit: int,
    after: str | None = None,
    job: str | None = None,
    endpoint: str | None = None,
    event_type: str | None = None,
    states: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    oldest_first: bool = False,
) -> list[Row]:
    """Newest first, for a page; oldest first, to send them again."""
    order = "" if oldest_first else "desc"
    return await db.fetch(
        f"""select * from ({DELIVERY}) d
            where ($1::uuid is null or (d.created_at, d.id) <
                   (select b.created_at, b.id from webhooks.messages b where b.id = $1))
              and ($2::text is null or d.job = $2) and ($3::uuid is null or d.endpoint = $3)
              and ($4::text is null or d.event_type = $4) and ($5::text[] is null or d.shown = any($5))
              and ($6::timestamptz is null or d.created_at >= $6) and ($7::timestamptz is null or d.created_at < $7)
            order by d.created_at {order}, d.id {order} limit $8""",
        after,
        job,
        endpoint,
        event_type,
        states,
        since,
        until,
        limit,
    )


async def missed(db: Connection, endpoint: str, since: datetime, until: datetime, limit: int) -> list[Row]:
    """Events that this endpoint would have been told of and has no message for, oldest first."""
    return await db.fetch(
        f"""select v.* from webhooks.events v join webhooks.endpoints e on e.organisation = v.organisation
            where e.id = $1 and v.created_at >= $2 and v.created_at < $3
              and v.created_at > now() - interval '{KEPT}'
              and case when cardinality(e.event_types) = 0 then v.event_type not like 'webhook.%'
                       else v.event_type = any(e.event_types) end
              and not exists (select from webhooks.messages m
                              where m.organisation = v.organisation and m.receiver = e.id and m.event = v.id)
            order by v.version limit $4""",
        endpoint,
        since,
        until,
        limit,
    )


async def events(db: Connection, after: int, limit: int) -> list[Row]:
    """Events behind a place in their stream, in order."""
    return await db.fetch("select * from webhooks.events where version > $1 order by version limit $2", after, limit)


async def first_kept(db: Connection) -> int:
    """The place before the oldest event that can still be read."""
    found: int | None = await db.fetchval(
        f"select max(version) from webhooks.events where created_at <= now() - interval '{KEPT}'"
    )
    return found or 0


async def signing_keys(db: Connection) -> list[Row]:
    return await db.fetch(
        "select key_id, public, created_at, not_after from webhooks.signing_keys order by created_at desc"
    )


async def public_keys(db: Connection, organisation: str) -> list[Row]:
    """The public keys of an organisation, for whoever asks."""
    return await db.fetch("select * from webhooks.public_keys($1)", organisation)
