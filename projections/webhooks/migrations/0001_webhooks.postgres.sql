-- forward
-- Standing receivers. Secrets and headers are ciphertext.
create table endpoints (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    url text not null,
    description text,
    event_types text[] not null,
    signing text[] not null,
    payload_style text not null,
    payload text not null,
    headers text,
    header_names text[] not null,
    timeout_seconds int not null,
    throttle_per_second int,
    max_in_flight int not null,
    fifo boolean not null,
    delays int[] not null,
    mtls text,
    certificates jsonb,
    metadata jsonb not null,
    legacy_header_uses text not null default 'current',
    state text not null default 'active',
    disabled_reason text,
    disabled_at timestamptz,
    enabled_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    retired_at timestamptz
);
create index endpoints_newest on endpoints (organisation, created_at desc, id desc) where retired_at is null;

-- The current one has no end; a former one signs until it expires.
create table secrets (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    endpoint uuid not null,
    secret text not null,
    expires_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index secrets_endpoint on secrets (endpoint, created_at desc);

create table signing_keys (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    key_id text not null,
    private text not null,
    public text not null,
    not_after timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index signing_keys_newest on signing_keys (organisation, created_at desc);

-- What happened, for receivers that rather ask.
create table events (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    event_type text not null,
    occurred_at timestamptz not null,
    job text,
    body jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index events_in_order on events (organisation, created_at, id);

-- `due` is the schedule's next try, `asked` one besides it; what has neither is at rest.
create table messages (
    id uuid primary key,
    organisation uuid not null,
    version bigint not null,
    receiver uuid not null,
    endpoint uuid,
    url text not null,
    event_type text not null,
    event uuid not null,
    occurred_at timestamptz not null,
    expires_at timestamptz not null,
    job text,
    body jsonb not null,
    secret text,
    headers text,
    state text not null default 'pending',
    reason text,
    attempts int not null default 0,
    due timestamptz,
    asked timestamptz,
    trigger text,
    ready timestamptz generated always as (least(due, asked)) stored,
    first_attempt_at timestamptz,
    delivered_at timestamptz,
    last_outcome text,
    last_status int,
    payload_bytes bigint not null default 0,
    payload_sha256 text not null default '',
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index messages_ready on messages (organisation, receiver, ready) where ready is not null;
create index messages_in_order on messages (receiver, occurred_at, id) where ready is not null;
create index messages_newest on messages (organisation, created_at desc, id desc);
create index messages_job on messages (organisation, job);

-- back
drop table messages, events, signing_keys, secrets, endpoints;
