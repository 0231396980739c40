-- forward
-- The delivery log. A repeat meets itself.
create table attempts (
    organisation LowCardinality(String),
    message String,
    number UInt32,
    attempt String,
    endpoint Nullable(String),
    trigger LowCardinality(String),
    started_at DateTime64(6, 'UTC'),
    ended_at DateTime64(6, 'UTC'),
    outcome LowCardinality(String),
    status Nullable(UInt16),
    remote_ip Nullable(String),
    dns_ms Nullable(Float64),
    connect_ms Nullable(Float64),
    tls_ms Nullable(Float64),
    first_byte_ms Nullable(Float64),
    total_ms Float64,
    request_headers String CODEC(ZSTD),
    response_headers String CODEC(ZSTD),
    response_body String CODEC(ZSTD),
    response_truncated Bool,
    retry_after_seconds Nullable(Int64),
    trace_id Nullable(String),
    partition UInt16,
    offset UInt64
) engine = ReplacingMergeTree(offset)
partition by toYYYYMM(started_at)
order by (organisation, message, number, started_at)
ttl toDateTime(started_at) + interval 90 day
settings non_replicated_deduplication_window = 1000;

-- back
drop table attempts;
