"""Sensors that appear on first report, and whole-number ones that turn out to have fractions: commands to `records`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson
import polars as pl

from projections.columns import Asking
from schemas.ids import derived_id
from schemas.records.messages import PutRecord

DEFAULT = "default"


def created(pending: pl.DataFrame, retired: Mapping[tuple[str, str], int]) -> Iterator[Asking]:
    """Asks for the implicit component first: a sensor needs it to be there. Ids follow from the names, so that a repeat
    asks for the same; a name that had been given up gets the next id."""
    homeless = pending.filter(pl.col("component_id").is_null()).unique(["organisation", "device"])
    for organisation, device in homeless.select("organisation", "device").sort("device").iter_rows():
        body = {"device": device, "key": DEFAULT, "name": DEFAULT}
        yield asking(organisation, "component", device, DEFAULT, retired, body)
    housed = pending.filter(pl.col("component_id").is_not_null()).with_columns(name=pl.coalesce("key", "sensor"))
    housed = housed.unique(["component_id", "name"], maintain_order=True)
    for row in housed.iter_rows(named=True):
        body = {
            "device": row["device"],
            "component": row["component_id"],
            "key": row["name"],
            "name": row["name"],
            "value_type": row["type"],
            "auto_created": True,
        }
        yield asking(row["organisation"], "sensor", row["component_id"], row["name"], retired, body)


def asking(
    organisation: str,
    kind: str,
    parent: str,
    key: str,
    retired: Mapping[tuple[str, str], int],
    body: dict[str, object],
) -> Asking:
    id = derived_id(parent, f"{kind}/{key}/{retired.get((parent, key), 0)}")
    return Asking(organisation, id, PutRecord(kind=kind, body=body, expected=0))


def widened(good: pl.DataFrame) -> Iterator[Asking]:
    """A fraction for a sensor whose first value happened to be whole."""
    turned = good.filter((pl.col("type") == "BIGINT") & (pl.col("given") == "DOUBLE") & pl.col("id").is_not_null())
    for row in turned.unique("id", maintain_order=True).iter_rows(named=True):
        body = {**orjson.loads(row["body"]), "value_type": "DOUBLE"}
        yield Asking(row["organisation"], row["id"], PutRecord(kind="sensor", body=body, expected=row["version"]))
