-- forward
create table devices (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    name text not null,
    unique_name boolean not null default false,
    virtual boolean not null default false,
    status text not null,
    external_id text,
    site uuid,
    server uuid,
    description text,
    serial text,
    profile uuid,
    tags text[] not null default '{}',
    location jsonb,
    metadata jsonb,
    hardware_version text,
    agent_version text,
    firmware_version text,
    ip_address text,
    auto_assign_project uuid,
    portainer_endpoint bigint,
    config jsonb,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    retired_at timestamptz
);
create index devices_newest on devices (organisation, created_at desc, id desc) where retired_at is null;
create index devices_external_id on devices (organisation, external_id) where retired_at is null;
create index devices_site on devices (organisation, site) where retired_at is null;
create index devices_tags on devices using gin (tags) where retired_at is null;

-- Latest word of each device: one row, the last check-in wins. `metrics` is JSON text, as the lane has it.
create table health (
    device uuid primary key,
    organisation uuid not null,
    last_seen_at timestamptz not null,
    reported_at timestamptz,
    status text,
    metrics text,
    model text,
    ip_address text
);

-- back
drop table health;
drop table devices;
