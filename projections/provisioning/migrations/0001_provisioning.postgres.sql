-- forward
create table tokens (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    kind text not null,
    name text not null,
    digest text not null,
    device uuid,
    single_use boolean not null,
    use_count bigint not null default 0,
    created_by text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    spent_at timestamptz
);
create index tokens_newest on tokens (organisation, kind, created_at desc, id desc);
create index tokens_digest on tokens (digest);

create table enrolments (
    device uuid primary key,
    organisation uuid not null,
    version bigint not null,
    external_id text not null,
    token uuid not null,
    key_digest text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    closed_at timestamptz
);
create index enrolments_key_digest on enrolments (key_digest);

create table certificates (
    serial_number text primary key,
    organisation uuid not null,
    version bigint not null,
    device uuid not null,
    token uuid,
    renews text,
    fingerprint text not null,
    subject text not null,
    not_before timestamptz not null,
    not_after timestamptz not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    revoked_at timestamptz
);
create index certificates_device on certificates (device, created_at);

-- No organisation is known before a credential is: these two see all, and give one row for one digest.
create function token_of(wanted_digest text, wanted_kind text) returns setof tokens
language sql stable security definer
begin atomic
    select t.* from tokens t where t.digest = wanted_digest and t.kind = wanted_kind;
end;

create function key_of(wanted_digest text) returns table (device uuid, organisation uuid)
language sql stable security definer
begin atomic
    select e.device, e.organisation from enrolments e where e.key_digest = wanted_digest and e.closed_at is null;
end;

-- back
drop function key_of(text);
drop function token_of(text, text);
drop table certificates;
drop table enrolments;
drop table tokens;
