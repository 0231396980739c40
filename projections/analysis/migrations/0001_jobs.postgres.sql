-- forward
create table jobs (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    kind text not null,
    status text not null,
    actor text not null,
    max_processing_time bigint not null,
    models jsonb not null,
    options jsonb not null,
    fingerprint text not null,
    request_id text not null,
    attempts int not null default 0,
    deadline timestamptz,
    code text,
    message text,
    retryable boolean,
    result_key text,
    result_bytes bigint,
    result_sha256 text,
    units float8,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    erased_at timestamptz
);
create index jobs_newest on jobs (organisation, created_at desc, id desc);
create index jobs_finished on jobs (kind, finished_at desc) where status = 'finished';

-- The queue: the tasks of jobs that have not ended.
create table tasks (
    job uuid not null,
    task text not null,
    organisation uuid not null,
    version bigint not null,
    kind text not null,
    position int not null,
    input jsonb not null,
    phase text not null,
    worker text,
    lease text,
    until timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (job, task)
);
create index tasks_waiting on tasks (created_at) where phase = 'waiting';
create index tasks_running on tasks (organisation, worker) where phase = 'running';

create table items (
    job uuid not null,
    position int not null,
    organisation uuid not null,
    version bigint not null,
    external_id text,
    status text not null,
    code text,
    message text,
    retryable boolean,
    result_key text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (job, position)
);

-- One that has retired has no slots; its self-test still stands in for figures there are none of.
create table workers (
    id text primary key,
    slots int not null,
    video_ms float8 not null,
    image_ms float8 not null,
    seen_at timestamptz not null
);

-- Figures of the whole system that every organisation may see: how much work there is, and how fast it goes.
create function load() returns table (running bigint, waiting bigint, slots bigint)
language sql stable security definer begin atomic
    select count(*) filter (where phase = 'running'), count(*) filter (where phase = 'waiting'),
           (select coalesce(sum(slots), 0) from workers)
    from tasks where phase in ('running', 'waiting');
end;

-- The last 15 minutes or the last 200 jobs, whichever is more; before there is any, the workers' self-test.
create function latency(wanted text) returns table (median float8, p95 float8, samples bigint, span float8)
language sql stable security definer begin atomic
    with recent as (
        select extract(epoch from finished_at - started_at) * 1000 / units as ms, finished_at
        from jobs where kind = wanted and status = 'finished' and units > 0
        order by finished_at desc limit greatest(200, (
            select count(*) from jobs
            where kind = wanted and status = 'finished' and finished_at > now() - interval '15 minutes')))
    select coalesce(percentile_cont(0.5) within group (order by recent.ms), tested.ms),
           coalesce(percentile_cont(0.95) within group (order by recent.ms), tested.ms),
           count(recent.ms), extract(epoch from now() - min(finished_at))
    from (select avg(case when wanted = 'video' then video_ms else image_ms end) as ms from workers) tested
    left join recent on true
    group by tested.ms;
end;

-- back
drop function latency(text);
drop function load();
drop table workers, items, tasks, jobs;
