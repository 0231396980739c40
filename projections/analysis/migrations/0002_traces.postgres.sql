-- forward
-- The trace that the request belongs to: workers go on in it.
alter table jobs add column traceparent text not null default '';

-- back
alter table jobs drop column traceparent;
