"""Readings in, rows out: whose they are, whether they fit, what is put aside and why (IoT contract, 7.5). Pure."""

from __future__ import annotations

import msgspec
import polars as pl

from projections.columns import Columns, Latest
from projections.telemetry import appearing, quarantine

DAY_MS = 86_400_000
OLDEST_MS, AHEAD_MS = 30 * DAY_MS, 5 * 60_000
SANE_MS = (0, 7_258_118_400_000)
"""1970 to 2200: what every store can hold, whatever a producer's clock says."""
KEY_LENGTH, TEXT_LENGTH, METADATA_BYTES, AUTO_SENSORS = 36, 1000, 10_240, 500
UUID_SHAPE = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
DEFAULT = "default"
MEMBERS = {"d": "DOUBLE", "i": "BIGINT", "b": "BOOLEAN", "t": "TEXT"}
TABLES = ("readings", "quarantine")
STORED = ("organisation", "sensor", "ts", "device", *MEMBERS, "metadata", "partition", "offset")


class Known(msgspec.Struct, frozen=True):
    """What Postgres knows of the devices in a batch, and how often a name of a parent has been given up before."""

    devices: pl.DataFrame
    components: pl.DataFrame
    sensors: pl.DataFrame
    fields: pl.DataFrame
    retired: dict[tuple[str, str], int] = {}


DEVICES = pl.Schema({"organisation": pl.String, "device": pl.String, "active": pl.Boolean, "auto": pl.Boolean})
COMPONENTS = pl.Schema(
    {"device": pl.String, "component": pl.String, "component_id": pl.String, "profile": pl.String, "major": pl.String}
)
SENSORS = pl.Schema(
    {
        "device": pl.String, "component_id": pl.String, "key": pl.String, "id": pl.String, "type": pl.String,
        "low": pl.Float64, "high": pl.Float64, "auto_created": pl.Boolean, "version": pl.Int64, "body": pl.String,
    }
)  # fmt: skip
FIELDS = pl.Schema(
    {
        "profile": pl.String, "field": pl.String, "field_type": pl.String, "field_low": pl.Float64,
        "field_high": pl.Float64, "required": pl.Boolean, "least": pl.Int64, "most": pl.Int64, "longest": pl.Int64,
    }
)  # fmt: skip


def frames(batch: pl.DataFrame, known: Known) -> Columns:
    """A batch of the lane. While a sensor that may appear is not there yet, `again` asks to look once more."""
    judged = judge(batch, known)
    fits = pl.col("reason").is_null()
    stored = store(judged.filter(fits & pl.col("id").is_not_null()))
    pending = judged.filter(fits & pl.col("id").is_null())
    aside = judged.filter(~fits | pl.col("id").is_null()).with_columns(pl.col("reason").fill_null("UNKNOWN_SENSOR"))
    return Columns(
        tables={"readings": stored, "quarantine": quarantine.rows(aside)},
        latest=(Latest("telemetry.latest", ("sensor",), "ts", latest(stored)),),
        commands=(*appearing.created(pending, known.retired), *appearing.widened(judged.filter(fits))),
        again=not pending.is_empty(),
    )


def judge(batch: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Each reading of a device that may send: its sensor's `id` (none: it may appear), or the `reason` against it."""
    rows = resolved(items(batch), known)
    rows = foretold(rows)
    rows = rows.with_columns(reason=pl.coalesce(shape(), place(), value()))
    rows = limited(rows, known)
    return together(rows, known)


def items(batch: pl.DataFrame) -> pl.DataFrame:
    """One row a reading. The organisation comes from the envelope and the device from the stream, from nothing else."""
    envelope = pl.col("envelope").struct
    flat = batch.filter(pl.col("readings").list.len() > 0).select(
        "partition",
        "offset",
        "readings",
        envelope.field("organisation"),
        envelope.field("stream").alias("device"),
        envelope.field("id").alias("message"),
        envelope.field("time").dt.epoch("ms").alias("sent"),
        pl.int_ranges(pl.col("readings").list.len()).alias("n"),
    )
    rows = flat.explode("readings", "n").unnest("readings").rename({"component": "part", "profile": "built_for"})
    return rows.with_columns(given=given(), number=pl.coalesce("d", pl.col("i").cast(pl.Float64)))


def given() -> pl.Expr:
    """The value type of a reading by its one filled member; none when it is not exactly one, or not a number."""
    filled = pl.sum_horizontal(pl.col(member).is_not_null().cast(pl.Int8) for member in MEMBERS)
    usable = (filled == 1) & pl.col("d").is_finite().fill_null(True)
    named = [pl.when(pl.col(member).is_not_null()).then(pl.lit(kind)) for member, kind in MEMBERS.items()]
    return pl.when(usable).then(pl.coalesce(named))


NAMES = ("organisation", "device", "part", "sensor")


def resolved(rows: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Readings of active devices with component, profile field and sensor. Few names stand on many readings, so the
    names are looked up and the readings only joined to them."""
    names = named(rows.select(NAMES).unique(maintain_order=True), known)
    rows = rows.join(names, on=NAMES, nulls_equal=True, maintain_order="left")
    # a field that the profile does not name may come from a newer minor: skipped
    return rows.filter(pl.col("part").is_null() | pl.col("profile").is_null() | pl.col("field_type").is_not_null())


def named(names: pl.DataFrame, known: Known) -> pl.DataFrame:
    """What stands behind each name: by sensor id, else by key of the device (`default` first); a structured reading's
    by component and key."""
    structured = pl.col("part").is_not_null()
    names = names.join(known.devices.filter("active"), on=["organisation", "device"]).with_columns(
        component=pl.col("part").fill_null(DEFAULT), base=pl.col("sensor").str.replace(r"\[\d+\]$", "")
    )
    names = names.join(known.components, on=["device", "component"], how="left")
    names = names.join(known.fields, left_on=["profile", "base"], right_on=["profile", "field"], how="left")
    sensors = known.sensors.rename({"component_id": "of"})
    by_id = sensors.with_columns(sensor="id")
    by_key = sensors.unique(["device", "key"], keep="first", maintain_order=True).with_columns(sensor="key")
    scalar = names.filter(~structured)
    found = scalar.join(by_id, on=["device", "sensor"])
    rest = scalar.join(by_id, on=["device", "sensor"], how="anti").join(by_key, on=["device", "sensor"], how="left")
    by_part = known.sensors.with_columns(of="component_id")
    parts = versioned(names.filter(structured), known).join(by_part, on=["device", "component_id", "key"], how="left")
    return pl.concat([found, rest, parts.select(found.columns)])


def versioned(parts: pl.DataFrame, known: Known) -> pl.DataFrame:
    """The `key` of each field's sensor: a field that has another type than its sensor, since the component went to
    another major, gets a sensor beside it."""
    held = known.sensors.select("device", "component_id", sensor="key", held="type")
    parts = parts.join(held, on=["device", "component_id", "sensor"], how="left", maintain_order="left")
    beside = pl.format("{}_v{}", "sensor", "major")
    changed = pl.col("held") != pl.col("field_type")
    return parts.with_columns(key=pl.when(changed).then(beside).otherwise("sensor")).drop("held")


def foretold(rows: pl.DataFrame) -> pl.DataFrame:
    """The type that a sensor will have which is not there yet: of its profile field, else of its first reading."""
    new = ["device", "component", "sensor"]
    unknown = pl.col("id").is_null()
    fraction = (pl.col("given") == "DOUBLE").any().over(new)
    first = pl.col("given").drop_nulls().first().over(new)
    told = pl.when((first == "BIGINT") & fraction).then(pl.lit("DOUBLE")).otherwise(first)
    return rows.with_columns(
        type=pl.when(unknown).then(pl.coalesce("field_type", told)).otherwise("type"),
        auto_created=pl.col("auto_created").fill_null(False),
    )


def against(reason: str, condition: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(pl.lit(reason))


def shape() -> pl.Expr:
    """Limits of 7.3 and values that are none."""
    long = (pl.col("sensor").str.len_chars() > KEY_LENGTH) | (pl.col("t").str.len_chars() > TEXT_LENGTH)
    low, high = SANE_MS
    late = (pl.col("ts") < pl.col("sent") - OLDEST_MS) | (pl.col("ts") > pl.col("sent") + AHEAD_MS)
    return pl.coalesce(
        against("LIMIT_EXCEEDED", long | (pl.col("metadata").str.len_bytes() > METADATA_BYTES)),
        against("INVALID_TIMESTAMP", late | ~pl.col("ts").is_between(low, high)),
        against("TYPE_MISMATCH", pl.col("given").is_null()),
    )


def place() -> pl.Expr:
    """Components that are not there, sensors that are not there and may not appear."""
    structured, unknown = pl.col("part").is_not_null(), pl.col("id").is_null()
    named = ~pl.col("sensor").str.contains(UUID_SHAPE) & (pl.col("sensor") != "") & pl.col("auto")
    element, array = pl.col("sensor") != pl.col("base"), pl.col("most").is_not_null()
    major = pl.col("built_for").str.split(".").list.first() != pl.col("major")
    return pl.coalesce(
        against("UNKNOWN_COMPONENT", structured & pl.col("component_id").is_null()),
        against("MISSING_PROFILE", structured & pl.col("profile").is_null()),
        against("TYPE_MISMATCH", structured & (major | (element != array))),
        against("UNKNOWN_SENSOR", ~structured & unknown & ~named),
    )


def value() -> pl.Expr:
    """Type and range; a whole number fits a DOUBLE, and a fraction turns a BIGINT that appeared by itself into one."""
    widens = pl.col("auto_created") & (pl.col("type") == "BIGINT") & pl.col("part").is_null()
    fits = (
        (pl.col("given") == pl.col("type"))
        | ((pl.col("given") == "BIGINT") & (pl.col("type") == "DOUBLE"))
        | ((pl.col("given") == "DOUBLE") & widens)
    )
    low, high = pl.coalesce("low", "field_low"), pl.coalesce("high", "field_high")
    return pl.coalesce(
        against("TYPE_MISMATCH", ~fits),
        against("OUT_OF_RANGE", (pl.col("number") < low) | (pl.col("number") > high)),
        against("LIMIT_EXCEEDED", pl.col("t").str.len_chars() > pl.col("longest")),
    )


def limited(rows: pl.DataFrame, known: Known) -> pl.DataFrame:
    """At most so many sensors of a device appear by themselves."""
    have = known.sensors.filter("auto_created").group_by("device").agg(have=pl.len())
    waiting = pl.col("id").is_null() & pl.col("reason").is_null() & pl.col("part").is_null()
    nth = pl.when(waiting).then(pl.col("sensor")).rank("dense").over("device")
    rows = rows.join(have, on="device", how="left", maintain_order="left")
    over = waiting & (nth + pl.col("have").fill_null(0) > AUTO_SENSORS)
    return rows.with_columns(reason=pl.coalesce("reason", against("SENSOR_LIMIT", over)))


def together(rows: pl.DataFrame, known: Known) -> pl.DataFrame:
    """A structured reading is stored or put aside as a whole: a bad field, a missing one, an array of a wrong size."""
    if rows["part"].null_count() == len(rows):
        return rows
    whole = ["message", "part", "ts"]
    size = pl.len().over([*whole, "base"])
    rows = rows.with_columns(
        reason=pl.coalesce(
            "reason", against("ARRAY_SIZE", pl.col("part").is_not_null() & ~size.is_between("least", "most"))
        )
    )
    required = known.fields.filter("required").group_by("profile").agg(needed="field")
    have = (
        rows.filter(pl.col("part").is_not_null())
        .group_by(whole)
        .agg(pl.col("base").alias("have"), pl.col("profile").first())
    )
    lacking = (
        have.join(required, on="profile")
        .filter(pl.col("needed").list.set_difference("have").list.len() > 0)
        .select(*whole, lacking=pl.lit("MISSING_REQUIRED_FIELD"))
    )
    rows = rows.join(lacking, on=whole, how="left", maintain_order="left")
    shared = pl.col("reason").drop_nulls().first().over(whole)
    return rows.with_columns(
        reason=pl.when(pl.col("part").is_null()).then("reason").otherwise(pl.coalesce(shared, "lacking"))
    ).drop("lacking")


def store(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table `readings`; of two readings at one time the first stays."""
    rows = rows.with_columns(sensor="id", ts=pl.from_epoch("ts", time_unit="ms").dt.replace_time_zone("UTC"))
    return rows.select(STORED).unique(["sensor", "ts"], keep="first", maintain_order=True)


def latest(stored: pl.DataFrame) -> pl.DataFrame:
    """The newest reading of each sensor. Postgres holds no NUL in a text."""
    newest = stored.sort("ts").unique("sensor", keep="last").drop("partition", "offset")
    return newest.with_columns(pl.col("t", "metadata").str.replace_all("\0", "\ufffd", literal=True))
