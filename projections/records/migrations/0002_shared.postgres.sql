-- forward
create index records_catalogues on records (id) where kind = 'catalogue' and retired_at is null;
-- Catalogues of others that the transaction's organisation sees; with none set, the public ones.
create function shared_catalogues()
    returns table (organisation uuid, id text, body jsonb, version bigint, created_at timestamptz, updated_at timestamptz)
    language sql stable security definer
begin atomic
    select r.organisation, r.id, r.body, r.version, r.created_at, r.updated_at from records r
    where r.kind = 'catalogue' and r.retired_at is null
      and r.organisation::text is distinct from nullif(current_setting('sightlog.organisation', true), '')
      and ((r.body ->> 'public')::boolean
           or r.body -> 'organisations' ? nullif(current_setting('sightlog.organisation', true), ''))
    order by r.created_at, r.id;
end;
-- back
drop function shared_catalogues;
drop index records_catalogues;
