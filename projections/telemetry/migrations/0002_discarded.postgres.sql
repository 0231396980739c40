-- forward
-- Payloads put aside that were looked at.
create table discarded (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index discarded_newest on discarded (organisation, created_at);
-- back
drop table discarded;
