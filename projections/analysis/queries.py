"""Reads of jobs and their items for callers, and of the queue for workers.

Callers read under row-level security; workers see every organisation.
"""

from __future__ import annotations

from collections.abc import Sequence

from infra.postgres import Connection, Row

ERASED_KNOWN = "30 days"
"""So long an erased job is known to have been; then it is as unknown as any."""
JOB = f"""
select j.* from analysis.jobs j
where (j.erased_at is null or j.erased_at > now() - interval '{ERASED_KNOWN}')
"""


async def job(db: Connection, id: str) -> Row | None:
    """One job of the caller's organisation."""
    return await db.fetchrow(f"{JOB} and j.id = $1", id)


async def items(db: Connection, job: str) -> list[Row]:
    return await db.fetch("select * from analysis.items where job = $1 order by position", job)


async def asked_for(db: Connection, id: str) -> Row | None:
    """When and with which fingerprint the job was asked for, erased or not: tells a repeat of its request."""
    return await db.fetchrow("select created_at, fingerprint from analysis.jobs where id = $1", id)


async def jobs(
    db: Connection, *, limit: int, after: str | None = None, status: str | None = None, kind: str | None = None
) -> list[Row]:
    """Jobs, newest first; `after`: the id of the last one of the page before."""
    return await db.fetch(
        f"""{JOB} and ($1::text is null or j.status = $1) and ($2::text is null or j.kind = $2)
            and ($3::uuid is null
                 or (j.created_at, j.id) < (select b.created_at, b.id from analysis.jobs b where b.id = $3))
            order by j.created_at desc, j.id desc limit $4""",
        status,
        kind,
        after,
        limit,
    )


async def ahead(db: Connection) -> Row:
    """running, waiting, slots: the work of the whole system and the hands for it."""
    found: Row | None = await db.fetchrow("select * from analysis.load()")
    assert found is not None
    return found


async def latency(db: Connection, kind: str) -> Row | None:
    """median, p95 (milliseconds a unit), samples, span (seconds); no row or nulls before anything is known."""
    return await db.fetchrow("select * from analysis.latency($1)", kind)


async def take_candidates(db: Connection, worker: str, limit: int, busy: Sequence[str]) -> list[Row]:
    """Tasks to ask the lease of, best first: what this worker lost in a crash (it is not among its `busy` leases), then
    by fairness (the organisation with the least running), jobs that have begun, the earliest deadline, age.

    Only a suggestion: two workers may be shown the same task, and the decider gives it to one of them.
    """
    return await db.fetch(
        """with running as (
               select organisation, count(*) as n from analysis.tasks where phase = 'running' group by organisation)
           select t.job, t.task, t.kind, t.input, t.organisation, t.phase,
                  j.kind as job_kind, j.models, j.options, j.request_id, j.traceparent
           from analysis.tasks t join analysis.jobs j on j.id = t.job
           left join running r on r.organisation = t.organisation
           where t.phase = 'waiting' or (t.phase = 'running' and t.worker = $1 and t.lease <> all($3::text[]))
           order by t.phase, coalesce(r.n, 0), j.started_at is null,
                    coalesce(j.deadline, j.created_at + make_interval(secs => nullif(j.max_processing_time, 0)))
                        nulls last,
                    j.created_at, t.position
           limit $2""",
        worker,
        limit,
        list(busy),
    )


async def held(db: Connection, leases: Sequence[str]) -> set[str]:
    """Which of these leases still hold."""
    rows = await db.fetch(
        "select lease from analysis.tasks where lease = any($1::text[]) and phase = 'running'", list(leases)
    )
    return {row["lease"] for row in rows}
