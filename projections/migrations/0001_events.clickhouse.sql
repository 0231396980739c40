-- forward
-- Every event of every context: history of any entity, as-of reads. A repeat meets itself.
create table events (
    organisation LowCardinality(String),
    context LowCardinality(String),
    stream String,
    version UInt64,
    id String,
    type LowCardinality(String),
    time DateTime64(6, 'UTC') CODEC(DoubleDelta, LZ4),
    actor String,
    cause Nullable(String),
    correlation String,
    body String CODEC(ZSTD),
    topic LowCardinality(String),
    partition UInt16,
    offset UInt64,
    index by_time time type minmax
) engine = ReplacingMergeTree
order by (organisation, context, stream, version)
settings non_replicated_deduplication_window = 1000;

-- back
drop table events;
