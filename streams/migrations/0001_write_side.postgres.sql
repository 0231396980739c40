-- forward
create table positions (
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    primary key (topic, partition)
);
create table snapshots (
    context text not null,
    organisation text not null,
    stream text not null,
    version bigint not null,
    state bytea not null,
    primary key (context, organisation, stream)
);
create table outcomes (
    command text primary key,
    context text not null,
    stream text not null,
    version bigint not null,
    events int not null,
    code text,
    detail text,
    field text,
    fingerprint text not null,
    decided_at timestamptz not null default now()
);
create index outcomes_age on outcomes using brin (decided_at);
create table claims (
    organisation text not null,
    scope text not null,
    key text not null,
    context text not null,
    stream text not null,
    primary key (organisation, scope, key)
);
create index claims_of_stream on claims (context, organisation, stream);
create table outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    partition int not null,
    target text not null,
    key bytea not null,
    value bytea not null,
    headers bytea not null
);
create table timers (
    context text not null,
    organisation text not null,
    stream text not null,
    name text not null,
    due timestamptz not null,
    topic text not null,
    value bytea not null,
    primary key (context, organisation, stream, name)
);
create index timers_due on timers (due);
grant select on outcomes to sightlog_api;
-- back
drop table timers, outbox, claims, outcomes, snapshots, positions;
