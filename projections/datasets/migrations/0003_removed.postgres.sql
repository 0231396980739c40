-- forward
-- A version that is gone keeps its row: its ordinal is not given again.
alter table frozen add column removed_at timestamptz;

-- back
alter table frozen drop column removed_at;
