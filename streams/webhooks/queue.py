"""Which messages to send now: taken from the projection's rows, held in `streams.sending` while on their way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from infra.postgres import Connection

HOLD = "75 seconds"
"""Longer than any try, its report and the record of it: only a lost worker lets it lapse."""
RECORDING = "5 seconds"
"""In which the projection has what was said."""
LANES = 200
"""Receivers looked at in one claim, fairly drawn from the organisations that have any."""

CLAIM = f"""
with recursive lanes as (
    (select organisation, receiver, ready from webhooks.messages where ready is not null
     order by organisation, receiver, ready limit 1)
    union all
    select n.organisation, n.receiver, n.ready from lanes l cross join lateral (
        select m.organisation, m.receiver, m.ready from webhooks.messages m
        where m.ready is not null and (m.organisation, m.receiver) > (l.organisation, l.receiver)
        order by m.organisation, m.receiver, m.ready limit 1) n
), away as (
    select organisation, receiver from streams.sending where until > now() and until < 'infinity'
), busy as (
    select receiver, count(*) as held from away group by receiver
), taken as (
    select organisation, count(*) as held from away group by organisation
), free as (
    select l.organisation, l.receiver, e.disabled_at, coalesce(e.fifo, false) as fifo,
           case when e.fifo or coalesce(r.health ->> 'circuit', 'closed') <> 'closed' then 1
                else least(coalesce(e.max_in_flight, $2::int), e.throttle_per_second) end - coalesce(b.held, 0) as slots
    from lanes l
    left join webhooks.endpoints e on e.id = l.receiver
    left join streams.receivers r on r.receiver = l.receiver
    left join busy b on b.receiver = l.receiver
    where l.ready <= now() and (e.id is null or (e.state = 'active' and e.retired_at is null))
      and (r.not_before is null or r.not_before <= now())
      and (r.paced_until is null or r.paced_until <= now() + interval '1 second')
), drawn as (
    select * from (select free.*, row_number() over (partition by organisation order by random()) as turn
                   from free where slots > 0) f order by turn, random() limit {LANES}
), picked as (
    select m.id, m.organisation, m.receiver, m.attempts + 1 as number,
           row_number() over (partition by d.organisation order by m.place, m.ready) as turn, m.ready
    from drawn d cross join lateral (
        select w.id, w.organisation, w.receiver, w.attempts, w.ready, row_number() over (order by w.ready) as place
        from (select m.* from webhooks.messages m left join streams.sending s on s.message = m.id
              where m.organisation = d.organisation and m.receiver = d.receiver and m.ready <= now()
                and (s.message is null or s.until < now() or s.number <= m.attempts)
                and (d.disabled_at is null or m.endpoint is null or coalesce(m.asked, m.created_at) > d.disabled_at)
                and (not d.fifo or m.id = (select h.id from webhooks.messages h where h.receiver = d.receiver
                     and h.ready is not null order by h.occurred_at, h.id limit 1))
              order by m.ready limit d.slots for update of m skip locked) w) m
), held as (
    insert into streams.sending (message, organisation, receiver, number, worker, until)
    select id, organisation, receiver, number, $3::text, now() + interval '{HOLD}'
    from (select p.* from picked p left join taken t using (organisation)
          where p.turn + coalesce(t.held, 0) <= $4 order by p.turn, p.ready limit $1) p
    on conflict (message) do update set number = excluded.number, worker = excluded.worker, until = excluded.until
    where sending.until < now() or sending.number < excluded.number
    returning message, number
)
select message, number from held
"""

DETAILS = """
select m.id, m.organisation, m.receiver, m.endpoint, h.number, coalesce(m.trigger, 'scheduled') as trigger,
       m.event_type, m.job, m.body, m.expires_at, m.created_at,
       m.url as callback_url, m.secret, m.headers as callback_headers,
       e.url, e.headers, e.signing, e.timeout_seconds, e.throttle_per_second, e.mtls, e.legacy_header_uses,
       e.enabled_at, m.traceparent, m.version,
       array(select s.secret from webhooks.secrets s
             where s.endpoint = e.id and (s.expires_at is null or s.expires_at > now())
             order by s.created_at desc) as secrets,
       case when e.signing && array['v1a', 'rfc9421'] then (
           select jsonb_agg(jsonb_build_array(k.key_id, k.private) order by k.created_at desc)
           from webhooks.signing_keys k
           where k.organisation = m.organisation and (k.not_after is null or k.not_after > now())) end as keys
from unnest($1::uuid[], $2::int[]) h(id, number) join webhooks.messages m using (id)
left join webhooks.endpoints e on e.id = m.endpoint
"""


async def claim(db: Connection, worker: str, limit: int, slots: int, share: int) -> list[Any]:
    """At most `limit` messages for this worker to try now; on their way at once are at most `slots` to the receiver of
    callbacks and `share` of one organisation."""
    held = await db.fetch(CLAIM, limit, slots, worker, share)
    if not held:
        return []
    return list(await db.fetch(DETAILS, [row["message"] for row in held], [row["number"] for row in held]))


async def paced(db: Connection, receiver: str, organisation: str, count: int, rate: int) -> datetime:
    """Reserves the next `count` places of a receiver that takes `rate` a second: when the last of them is."""
    found: datetime = await db.fetchval(
        """insert into streams.receivers as r (receiver, organisation, paced_until)
           values ($1, $2, clock_timestamp() + $3 * interval '1 second')
           on conflict (receiver) do update
           set paced_until = greatest(r.paced_until, clock_timestamp()) + $3 * interval '1 second'
           returning paced_until""",
        receiver,
        organisation,
        count / rate,
    )
    return found


async def freed(db: Connection, worker: str) -> None:
    """What an earlier life of this worker held is free at once."""
    await db.execute("delete from streams.sending where worker = $1 and until < 'infinity'", worker)


async def reported(db: Connection, holds: Sequence[tuple[str, int]]) -> None:
    """These tries are on the log: nobody makes them again, however late the projection has them."""
    await held(db, holds, "'infinity'")


async def unmade(db: Connection, holds: Sequence[tuple[str, int]]) -> None:
    """These could not be made, and that is on the log: their numbers stay free for what is asked for later."""
    await held(db, holds, f"now() + interval '{RECORDING}'")


async def held(db: Connection, holds: Sequence[tuple[str, int]], until: str) -> None:
    await db.execute(
        f"""update streams.sending s set until = {until} from unnest($1::uuid[], $2::int[]) n(message, number)
            where (s.message, s.number) = (n.message, n.number)""",
        [message for message, _ in holds],
        [number for _, number in holds],
    )


async def released(db: Connection, message: str, number: int) -> None:
    """The try was not made, and may be made at once by anyone."""
    await db.execute("delete from streams.sending where (message, number) = ($1, $2)", message, number)


async def next_ready(db: Connection) -> datetime | None:
    """When something will be due that is not due yet."""
    found: datetime | None = await db.fetchval("select min(ready) from webhooks.messages where ready > now()")
    return found


async def stranded(db: Connection, limit: int) -> list[Any]:
    """Open messages of endpoints that are gone or were disabled since, and why."""
    return list(
        await db.fetch(
            """select m.id, m.organisation, m.version,
                      case when e.retired_at is null then 'endpoint_disabled' else 'endpoint_deleted' end as reason
               from webhooks.endpoints e
               join webhooks.messages m on m.organisation = e.organisation and m.receiver = e.id
               where m.ready is not null
                 and (e.retired_at is not null or coalesce(m.asked, m.created_at) <= e.disabled_at)
               limit $1""",
            limit,
        )
    )


async def forget(db: Connection) -> None:
    """Holds of messages that are at rest."""
    await db.execute(
        """delete from streams.sending s using webhooks.messages m
           where m.id = s.message and m.ready is null and s.until = 'infinity' and m.attempts >= s.number"""
    )
