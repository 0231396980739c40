-- forward
create table checkins (
    organisation LowCardinality(String),
    device LowCardinality(String),
    ts DateTime64(6, 'UTC') CODEC(DoubleDelta, LZ4),
    status LowCardinality(Nullable(String)),
    metrics String CODEC(ZSTD),
    model Nullable(String),
    ip_address Nullable(String),
    partition UInt16,
    offset UInt64
) engine = ReplacingMergeTree(offset)
partition by toYYYYMM(ts)
order by (organisation, device, ts)
settings non_replicated_deduplication_window = 1000, do_not_merge_across_partitions_select_final = 1;

-- back
drop table checkins;
