-- forward
create index models_catalogues on models using gin (catalogues) where removed_at is null;
-- Models in catalogues that their owners share: whoever asks has been found to see these catalogues.
create function shared(within uuid[])
    returns table (
        id uuid, organisation uuid, name text, alias text, documentation text, customization text,
        input_driver text, input_details jsonb, output_driver text, output_details jsonb, targets text[],
        source_name text, source_url text, catalogues uuid[], named_input jsonb, named_output jsonb, boxes text[],
        flags text[], revision bigint, status text, status_message text, created_at timestamptz, updated_at timestamptz,
        size bigint, artefact_key text, artefact_size bigint, conversions jsonb)
    language sql stable security definer
begin atomic
    select m.id, m.organisation, m.name, m.alias, m.documentation, m.customization,
           m.input_driver, m.input_details, m.output_driver, m.output_details, m.targets,
           m.source_name, m.source_url, m.catalogues, m.named_input, m.named_output, m.boxes,
           m.flags, m.revision, m.status, m.status_message, m.created_at, m.updated_at,
           original.size, made.key, made.size,
           coalesce((select jsonb_agg(to_jsonb(c) order by c.target) from conversions c where c.model = m.id), '[]')
    from models m
    left join artefacts original
        on original.model = m.id and original.media_type like 'application/x-onnx; source=%'
    left join lateral (
        select a.key, a.size from artefacts a
        where a.model = m.id and (a.media_type = 'application/x-onnx' or a.target is not null)
        order by a.target is not null, a.media_type limit 1
    ) made on true
    where m.removed_at is null and m.catalogues && within
      and m.organisation::text is distinct from nullif(current_setting('sightlog.organisation', true), '');
end;
create function shared_artefacts(wanted uuid, within uuid[])
    returns table (id uuid, media_type text, key text, digest text, size bigint, target text, created_at timestamptz)
    language sql stable security definer
begin atomic
    select a.id, a.media_type, a.key, a.digest, a.size, a.target, a.created_at
    from artefacts a join models m on m.id = a.model
    where a.model = wanted and m.removed_at is null and m.catalogues && within order by a.media_type;
end;
-- Where a model of the transaction's organisation runs, in every organisation: its owner may take it off.
create function runs(wanted uuid)
    returns table (organisation uuid, device uuid)
    language sql stable security definer
begin atomic
    select p.organisation, p.device from pipelines p
    where p.models @> array[wanted] and exists (
        select from models m
        where m.id = wanted and m.organisation::text = nullif(current_setting('sightlog.organisation', true), ''))
    order by p.organisation, p.device;
end;
-- back
drop function shared, shared_artefacts, runs;
drop index models_catalogues;
