-- forward
-- The trace that a message belongs to; and what retention finds messages and events by. A body that is past it is null.
alter table messages add column traceparent text not null default '', alter column body drop not null;
create index messages_kept on messages (created_at) where body is not null and ready is null;
create index messages_age on messages using brin (created_at);
create index events_age on events using brin (created_at);

-- back
drop index events_age, messages_age, messages_kept;
delete from messages where body is null;
alter table messages drop column traceparent, alter column body set not null;
