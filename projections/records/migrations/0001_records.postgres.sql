-- forward
create table records (
    organisation uuid not null,
    kind text not null,
    id text not null,
    version bigint not null,
    number bigint not null,
    body jsonb not null,
    created_by text not null,
    updated_by text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    retired_at timestamptz,
    name text generated always as (body ->> 'name') stored,
    device text generated always as (body ->> 'device') stored,
    site text generated always as (body ->> 'site') stored,
    primary key (organisation, kind, id)
);
create index records_live on records (organisation, kind, created_at, id) where retired_at is null;
create index records_number on records (organisation, kind, number);
create index records_device on records (organisation, kind, device) where device is not null;
create index records_site on records (organisation, kind, site) where site is not null;
-- back
drop table records;
