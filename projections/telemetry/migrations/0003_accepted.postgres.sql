-- forward
-- What was answered to readings that came under an Idempotency-Key.
create table accepted (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    device uuid not null,
    accepted bigint not null,
    duplicates bigint not null,
    quarantined text[] not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
-- back
drop table accepted;
