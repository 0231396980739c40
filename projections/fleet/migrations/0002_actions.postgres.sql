-- forward
create table actions (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    device uuid not null,
    type text not null,
    status text not null,
    message text,
    model uuid,
    artefact jsonb,
    payload jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    completed_at timestamptz
);
create index actions_newest on actions (device, created_at desc, id desc);
create index actions_open on actions (device, created_at, id) where completed_at is null;
create index actions_number on actions (device, number);

-- back
drop table actions;
