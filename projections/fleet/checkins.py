"""Check-ins: every one to the history, the latest word of each device to `fleet.health`. Pure but for `known`."""

from __future__ import annotations

from typing import Any

import polars as pl

from projections.columns import Columns, Latest

SAID = ("status", "metrics", "model", "ip_address", "reported_at")
"""What stays as last said when a later beat is silent on it."""
HEALTH = pl.Schema(
    {
        "device": pl.String(),
        "organisation": pl.String(),
        "last_seen_at": pl.Datetime("us", "UTC"),
        "status": pl.String(),
        "metrics": pl.String(),
        "model": pl.String(),
        "ip_address": pl.String(),
        "reported_at": pl.Datetime("us", "UTC"),
    }
)


async def known(db: Any, batch: pl.DataFrame, _suffix: str = "") -> pl.DataFrame:
    """The health of the batch's devices before it. No row of the history depends on it."""
    devices = batch["envelope"].struct.field("stream").unique().to_list()
    rows = await db.fetch(f"select {', '.join(HEALTH)} from fleet.health where device = any($1::uuid[])", devices)
    return pl.DataFrame([dict(row) for row in rows], schema=HEALTH)


def frames(batch: pl.DataFrame, known: pl.DataFrame) -> Columns:
    envelope = pl.col("envelope").struct
    beats = batch.select(
        envelope.field("stream").alias("device"),
        envelope.field("organisation"),
        envelope.field("time").dt.replace_time_zone("UTC").alias("last_seen_at"),
        "status",
        pl.when(pl.col("metrics") != "{}").then(pl.col("metrics")).alias("metrics"),
        "model",
        "ip_address",
        "partition",
        "offset",
    )
    told = pl.any_horizontal(pl.col("status").is_not_null(), pl.col("metrics").is_not_null())
    beats = beats.with_columns(reported_at=pl.when(told).then("last_seen_at"))
    history = beats.drop("reported_at").rename({"last_seen_at": "ts"}).with_columns(pl.col("metrics").fill_null("{}"))
    return Columns(
        tables={"checkins": history},
        latest=(Latest("fleet.health", ("device",), "last_seen_at", latest(beats, known)),),
    )


def latest(beats: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """One row a device: its last beat, with what it last said of each thing."""
    rows = pl.concat([known, beats.select(HEALTH.names())]).sort("last_seen_at", maintain_order=True)
    filled = rows.with_columns(pl.col(SAID).forward_fill().over("device"))
    return filled.unique("device", keep="last", maintain_order=True)
