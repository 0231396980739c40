-- forward
create table batches (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    name text not null,
    device uuid,
    project uuid,
    status text not null,
    stage text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    completed_at timestamptz
);
create index batches_newest on batches (organisation, created_at desc, id desc);
create index batches_number on batches (organisation, number);

-- What became of each picture of a device: the batch that it joined, or why it was not kept.
create table takes (
    image uuid primary key,
    organisation uuid not null,
    version bigint not null,
    device uuid not null,
    batch uuid,
    dropped text,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index takes_dropped on takes (batch) where dropped is not null;

create table images (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    batch uuid not null,
    device uuid,
    annotation_status text not null,
    split text not null,
    split_locked boolean not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index images_newest on images (organisation, created_at desc, id desc);
create index images_number on images (organisation, number);
create index images_batch on images (batch);

create table annotations (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    image uuid not null,
    class_value text not null,
    type text not null,
    geometry double precision[] not null,
    x_center double precision,
    y_center double precision,
    width double precision,
    height double precision,
    confidence double precision,
    source text not null,
    z_order int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index annotations_image on annotations (image, number);
create index annotations_number on annotations (organisation, number);

-- back
drop table annotations;
drop table images;
drop table takes;
drop table batches;
