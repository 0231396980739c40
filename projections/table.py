"""Every projection in Postgres on one page. Facts and ClickHouse: `lane.py`."""

from __future__ import annotations

from projections import events
from projections.analysis.rows import rows as analysis
from projections.columns import Lane, columnar
from projections.datasets.rows import rows as datasets
from projections.exports.rows import rows as exports
from projections.fleet import checkins
from projections.fleet.rows import rows as fleet
from projections.media.rows import rows as media
from projections.models.rows import rows as models
from projections.provisioning.rows import rows as provisioning
from projections.records.rows import rows as records
from projections.rows import Projection
from projections.telemetry import answers
from projections.telemetry import rows as readings
from projections.telemetry.known import CONTEXTS, known
from projections.tenancy.rows import rows as tenancy
from projections.webhooks import attempts
from projections.webhooks.rows import rows as webhooks

PROJECTIONS: dict[str, Projection] = {
    "tenancy": Projection("tenancy", tenancy),
    "records": Projection("records", records),
    "telemetry": Projection("telemetry", answers.rows, kept=("latest",)),
    "datasets": Projection("datasets", datasets),
    "media": Projection("media", media),
    "provisioning": Projection("provisioning", provisioning),
    "fleet": Projection("fleet", fleet, kept=("health",)),
    "analysis": Projection("analysis", analysis),
    "models": Projection("models", models),
    "webhooks": Projection("webhooks", webhooks),
    "exports": Projection("exports", exports),
}

LANES: dict[str, Lane] = {
    "attempts": Lane(("webhooks.attempts",), columnar("webhooks.Attempt"), attempts.frames, ("attempts",)),
    "readings": Lane(
        ("telemetry.readings",),
        columnar("telemetry.Readings"),
        readings.frames,
        readings.TABLES,
        known,
        judged_by=CONTEXTS,
        wait=0.5,
    ),
    "events": Lane(events.TOPICS, events.read, events.frames, ("events",), linger=0.5),
    "checkins": Lane(("fleet.checkins",), columnar("fleet.CheckIn"), checkins.frames, ("checkins",), checkins.known),
}
"""Facts and whatever goes to ClickHouse, by name."""
