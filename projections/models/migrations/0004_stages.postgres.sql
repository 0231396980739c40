-- forward
-- Where models stand in their project's registry. A table of its own: the stream that says so is another than the
-- model's, and streams meet in no fixed order.
create table stages (
    model uuid primary key,
    organisation uuid not null,
    version bigint not null,
    stage text not null,
    updated_at timestamptz not null
);
insert into stages select id, organisation, version, stage, updated_at from models where stage <> 'candidate';
alter table models drop column stage;

-- back
alter table models add column stage text not null default 'candidate';
update models m set stage = s.stage from stages s where s.model = m.id;
drop table stages;
