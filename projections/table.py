"""Every projection in Postgres on one page. Facts and ClickHouse: `lane.py`."""

from __future__ import annotations

from projections.analysis.rows import rows as analysis
from projections.columns import Lane
from projections.fleet.rows import rows as fleet
from projections.provisioning.rows import rows as provisioning
from projections.media.rows import rows as media
from projections.datasets.rows import rows as datasets
from projections.records.rows import rows as records
from projections.rows import Projection
from projections.tenancy.rows import rows as tenancy

PROJECTIONS: dict[str, Projection] = {
    "tenancy": Projection("tenancy", tenancy),
    "records": Projection("records", records),
    "datasets": Projection("datasets", datasets),
    "media": Projection("media", media),
    "provisioning": Projection("provisioning", provisioning),
    "fleet": Projection("fleet", fleet),
    "analysis": Projection("analysis", analysis),
}

LANES: dict[str, Lane] = {}
"""Facts and whatever goes to ClickHouse, by name."""
