-- forward
-- The newest reading of each sensor, written by the lane of readings.
create table latest (
    sensor uuid primary key,
    organisation uuid not null,
    device uuid not null,
    ts timestamptz not null,
    d double precision,
    i bigint,
    b boolean,
    t text,
    metadata jsonb,
    version bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index latest_device on latest (organisation, device);

-- back
drop table latest;
