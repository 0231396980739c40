-- forward
create table exports (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    scope_type text not null,
    scope_id uuid not null,
    start_at timestamptz not null,
    end_at timestamptz not null,
    includes text[] not null,
    slot bigint not null,
    status text not null,
    lease text,
    worker text,
    key text,
    size bigint,
    readings bigint,
    annotations bigint,
    error_code text,
    error_message text,
    requested_by text not null,
    started_at timestamptz,
    completed_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);
create index exports_newest on exports (organisation, created_at desc, id desc) where deleted_at is null;
create index exports_open on exports (created_at) where status in ('PENDING', 'RUNNING');
-- back
drop table exports;
