"""Tries of messages: the delivery log in ClickHouse. Pure."""

from __future__ import annotations

from typing import Any

import polars as pl

from projections.columns import Columns

STORED = (
    "number", "attempt", "endpoint", "trigger", "started_at", "ended_at", "outcome", "status", "remote_ip", "dns_ms",
    "connect_ms", "tls_ms", "first_byte_ms", "total_ms", "request_headers", "response_headers", "response_body",
    "response_truncated", "retry_after_seconds", "trace_id", "partition", "offset",
)  # fmt: skip


def frames(batch: pl.DataFrame, _known: Any) -> Columns:
    """One row a try. The organisation and the message come from the envelope, from nothing else."""
    envelope = pl.col("envelope").struct
    rows = batch.select(
        envelope.field("organisation"),
        envelope.field("stream").alias("message"),
        *STORED,
    )
    return Columns(tables={"attempts": rows.with_columns(pl.col("started_at", "ended_at").dt.replace_time_zone("UTC"))})
