-- forward
-- A repeat meets itself; of two readings of one sensor at one time the one that the log has first stays.
create table readings (
    organisation LowCardinality(String),
    sensor LowCardinality(String),
    ts DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4),
    device LowCardinality(String),
    d Nullable(Float64),
    i Nullable(Int64),
    b Nullable(Bool),
    t Nullable(String),
    metadata Nullable(String),
    partition UInt16,
    offset UInt64,
    rank UInt64 default 18446744073709551615 - offset
) engine = ReplacingMergeTree(rank)
partition by toYYYYMM(ts)
order by (organisation, sensor, ts)
settings non_replicated_deduplication_window = 1000, do_not_merge_across_partitions_select_final = 1;

create table quarantine (
    id String,
    organisation LowCardinality(String),
    device LowCardinality(String),
    component String default '',
    reason LowCardinality(String),
    path String,
    payload String CODEC(ZSTD),
    truncated Bool,
    device_ts Nullable(DateTime64(3, 'UTC')),
    received DateTime64(6, 'UTC'),
    partition UInt16,
    offset UInt64
) engine = ReplacingMergeTree
order by (organisation, received, id)
ttl toDateTime(received) + interval 30 day
settings non_replicated_deduplication_window = 1000;

-- back
drop table quarantine;
drop table readings;
