-- forward
create table images (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    storage_key text not null,
    filename text not null,
    sha256 text not null,
    size bigint not null,
    width int not null,
    height int not null,
    format text not null,
    device uuid,
    source text,
    captured_at timestamptz,
    model text,
    model_version text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    discarded_at timestamptz
);
create index images_number on images (organisation, number);
create index images_sha256 on images (organisation, sha256);
create index images_storage_key on images (organisation, storage_key);

-- back
drop table images;
