-- forward
create table organisations (
    organisation uuid primary key,
    version bigint not null,
    name text not null,
    slug text not null,
    settings jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create table users (
    id text primary key,
    version bigint not null,
    email text not null,
    name text not null,
    password_hash text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create unique index users_email on users (email);
create table members (
    organisation uuid not null,
    "user" text not null,
    version bigint not null,
    role text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (organisation, "user")
);
create index members_user on members ("user");
create table api_keys (
    organisation uuid not null,
    id text primary key,
    version bigint not null,
    surface text not null,
    name text not null,
    digest text not null,
    prefix text not null,
    role text not null,
    scopes text[] not null,
    created_by text not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create unique index api_keys_digest on api_keys (digest);
create table sessions (
    id text primary key,
    version bigint not null,
    "user" text not null,
    client text not null,
    scope text not null,
    digest text not null,
    expires_at timestamptz not null,
    closed_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

-- What is asked before an organisation is known. Bodies are bound when created, so that a swap of schemas keeps them.
create function key_by_digest(wanted text)
    returns table (organisation uuid, id text, surface text, role text, scopes text[], expires_at timestamptz)
    language sql stable security definer
begin atomic
    select organisation, id, surface, role, scopes, expires_at from api_keys
    where digest = wanted and revoked_at is null and (expires_at is null or expires_at > now());
end;
create function user_by_email(wanted text)
    returns table (id text, email text, name text, password_hash text)
    language sql stable security definer
begin atomic
    select id, email, name, password_hash from users where email = lower(wanted);
end;
create function user_by_id(wanted text)
    returns table (id text, email text, name text)
    language sql stable security definer
begin atomic
    select id, email, name from users where id = wanted;
end;
create function memberships(wanted text)
    returns table (organisation uuid, name text, role text)
    language sql stable security definer
begin atomic
    select o.organisation, o.name, m.role from members m join organisations o using (organisation)
    where m."user" = wanted order by o.created_at, o.organisation;
end;
create function session_by_id(wanted text)
    returns table (id text, "user" text, client text, scope text, expires_at timestamptz, closed_at timestamptz)
    language sql stable security definer
begin atomic
    select id, "user", client, scope, expires_at, closed_at from sessions where id = wanted;
end;
-- back
drop function key_by_digest, user_by_email, user_by_id, memberships, session_by_id;
drop table sessions, api_keys, members, users, organisations;
