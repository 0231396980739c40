-- forward
-- What the workers of `deliveries` share: who sends what, and how receivers do. No projection: a rebuild leaves it alone.
-- `until` ends a lost worker's hold; infinity: the try is reported, and waits for the projection to have it.
create table sending (
    message uuid primary key,
    organisation uuid not null,
    receiver uuid not null,
    number int not null,
    worker text not null,
    until timestamptz not null
);
create index sending_receiver on sending (receiver);
create table receivers (
    receiver uuid primary key,
    organisation uuid not null,
    health jsonb not null default '{}',
    not_before timestamptz,
    paced_until timestamptz,
    updated_at timestamptz not null default now()
);
-- back
drop table receivers, sending;
