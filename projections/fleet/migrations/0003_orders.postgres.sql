-- forward
alter table actions
    add column requested_by text not null default '',
    add column sent_at timestamptz,
    add column acknowledged_at timestamptz;
create index actions_type on actions (organisation, type, created_at desc, id desc);

-- back
drop index actions_type;
alter table actions drop column requested_by, drop column sent_at, drop column acknowledged_at;
