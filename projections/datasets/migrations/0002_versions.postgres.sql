-- forward
alter table images add column version_name text;

create table frozen (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    project uuid not null,
    ordinal int not null,
    name text not null,
    description text,
    snapshot text not null,
    digest text not null,
    classes text[] not null,
    split_counts jsonb not null,
    class_distribution jsonb not null,
    image_count int not null,
    annotation_count int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index versions_newest on frozen (organisation, created_at desc, id desc);
create index versions_number on frozen (organisation, number);
create index versions_project on frozen (project, ordinal);

-- back
drop table frozen;
alter table images drop column version_name;
