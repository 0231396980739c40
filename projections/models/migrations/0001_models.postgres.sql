-- forward
create table models (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    name text not null,
    alias text not null,
    documentation text not null,
    customization text not null,
    input_driver text not null,
    input_details jsonb not null,
    output_driver text not null,
    output_details jsonb not null,
    targets text[] not null default '{}',
    source_name text,
    source_url text,
    site uuid,
    catalogues uuid[] not null default '{}',
    named_input jsonb not null,
    named_output jsonb not null,
    labels text[] not null default '{}',
    boxes text[] not null default '{}',
    flags text[] not null default '{}',
    revision bigint not null,
    status text not null,
    status_message text,
    pending jsonb not null,
    lease text,
    worker text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    removed_at timestamptz
);
create index models_newest on models (organisation, created_at desc, id desc) where removed_at is null;
create index models_number on models (organisation, number);
create index models_waiting on models (updated_at) where status in ('queued', 'processing') and removed_at is null;

-- What can be downloaded: the file as received and what conversions made of it, one of each kind.
create table artefacts (
    model uuid not null,
    media_type text not null,
    organisation uuid not null,
    version bigint not null,
    id uuid not null,
    key text not null,
    digest text not null,
    size bigint not null,
    target text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (model, media_type)
);

create table conversions (
    model uuid not null,
    target text not null,
    organisation uuid not null,
    version bigint not null,
    status text not null,
    message text,
    file uuid,
    updated_at timestamptz not null,
    primary key (model, target)
);

-- What a device runs: the trees, and every model in them.
create table pipelines (
    device uuid primary key,
    organisation uuid not null,
    version bigint not null,
    pipelines jsonb not null,
    models uuid[] not null,
    updated_at timestamptz not null
);
create index pipelines_models on pipelines using gin (models);

-- back
drop table pipelines, conversions, artefacts, models;
