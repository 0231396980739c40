-- forward
alter table organisations add kind text not null default 'organization', add partner uuid;
create index organisations_partner on organisations (partner) where partner is not null;
alter table users add second_factor text;
drop function memberships, user_by_email;

create function memberships(wanted text)
    returns table (organisation uuid, name text, kind text, role text)
    language sql stable security definer
begin atomic
    select o.organisation, o.name, o.kind, m.role from members m join organisations o using (organisation)
    where m."user" = wanted order by o.created_at, o.organisation;
end;
create function user_by_email(wanted text)
    returns table (id text, email text, name text, password_hash text, second_factor text)
    language sql stable security definer
begin atomic
    select id, email, name, password_hash, second_factor from users where email = lower(wanted);
end;
-- The organisations under a channel partner that this person belongs to.
create function under_partner(wanted uuid, person text)
    returns table (organisation uuid, name text)
    language sql stable security definer
begin atomic
    select o.organisation, o.name from organisations o
    where o.partner = wanted and exists (
        select from members m join organisations p using (organisation)
        where m.organisation = wanted and m."user" = person and p.kind = 'channel_partner')
    order by o.created_at, o.organisation;
end;
-- Whose something is that is shared: asked for owners of what the caller sees anyway.
create function owners(wanted uuid[])
    returns table (organisation uuid, name text, kind text)
    language sql stable security definer
begin atomic
    select organisation, name, kind from organisations where organisation = any(wanted);
end;
-- back
drop function under_partner, owners, memberships, user_by_email;
create function memberships(wanted text)
    returns table (organisation uuid, name text, role text)
    language sql stable security definer
begin atomic
    select o.organisation, o.name, m.role from members m join organisations o using (organisation)
    where m."user" = wanted order by o.created_at, o.organisation;
end;
create function user_by_email(wanted text)
    returns table (id text, email text, name text, password_hash text)
    language sql stable security definer
begin atomic
    select id, email, name, password_hash from users where email = lower(wanted);
end;
alter table users drop second_factor;
alter table organisations drop partner, drop kind;
