-- forward
alter table models add column stage text not null default 'candidate';

create table trainings (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    dataset uuid not null,
    project uuid not null,
    name text not null,
    architecture text not null,
    base uuid,
    hyperparameters jsonb not null,
    epochs bigint not null,
    epoch bigint not null default 0,
    status text not null,
    progress double precision not null default 0,
    metrics jsonb not null default '{}',
    best_metrics jsonb not null default '{}',
    model uuid,
    error_message text,
    lease text,
    worker text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    started_at timestamptz,
    completed_at timestamptz
);
create index trainings_newest on trainings (organisation, created_at desc, id desc);
create index trainings_number on trainings (organisation, number);
create index trainings_waiting on trainings (created_at) where status = 'queued';
create index trainings_model on trainings (model) where model is not null;

-- The curve of a training: what each epoch came to.
create table epochs (
    training uuid not null,
    epoch bigint not null,
    organisation uuid not null,
    version bigint not null,
    metrics jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (training, epoch)
);

-- Files of models that were asked for in another format.
create table exports (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    number bigint not null,
    model uuid not null,
    format text not null,
    precision text not null,
    status text not null,
    key text,
    digest text,
    size bigint,
    error_message text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    completed_at timestamptz
);
create index exports_newest on exports (organisation, created_at desc, id desc);
create index exports_number on exports (organisation, number);

-- back
drop table exports, epochs, trainings;
alter table models drop column stage;
