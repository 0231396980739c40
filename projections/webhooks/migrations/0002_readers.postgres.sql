-- forward
-- Events are read in the order of their stream; the thin envelope stays when a result was erased.
alter table events add column thin jsonb;
create index events_by_version on events (organisation, version);

-- Public keys are for anyone who was told whose they are.
create function public_keys(of uuid)
    returns table (key_id text, public text, created_at timestamptz, not_after timestamptz)
    language sql stable security definer
begin atomic
    select k.key_id, k.public, k.created_at, k.not_after from signing_keys k
    where k.organisation = of order by k.created_at desc;
end;

-- back
drop function public_keys(uuid);
drop index events_by_version;
alter table events drop column thin;
