"""What `deliveries` measures (contract, section 11)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from infra.postgres import Connection

ATTEMPTS = Counter("sightlog_deliveries_attempts_total", "Tries by outcome", ["outcome"])
FIRST = Histogram(
    "sightlog_deliveries_first_try_seconds",
    "From the event to the first try",
    buckets=(0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5, 30),
)
IN_FLIGHT = Gauge("sightlog_deliveries_in_flight", "Tries on their way")
OLDEST = Gauge("sightlog_deliveries_oldest_due_seconds", "Age of the oldest message that is due")
QUEUE = Gauge("sightlog_deliveries_messages", "Messages that are not at rest", ["state"])
CIRCUITS = Gauge("sightlog_deliveries_open_circuits", "Receivers whose circuit is not closed")
DISABLED = Gauge("sightlog_deliveries_disabled_endpoints", "Endpoints that are switched off")


async def measure(db: Connection) -> None:
    """Reads the gauges from the rows."""
    found = await db.fetchrow(
        """select extract(epoch from now() - min(ready)) as oldest,
                  count(*) filter (where state = 'pending') as pending,
                  count(*) filter (where state <> 'pending') as waiting,
                  (select count(*) from streams.receivers
                   where coalesce(health ->> 'circuit', 'closed') <> 'closed') as open,
                  (select count(*) from webhooks.endpoints
                   where state = 'disabled' and retired_at is null) as disabled
           from webhooks.messages where ready is not null"""
    )
    assert found is not None
    OLDEST.set(max(0.0, float(found["oldest"] or 0)))
    QUEUE.labels("pending").set(found["pending"])
    QUEUE.labels("retry_scheduled").set(found["waiting"])
    CIRCUITS.set(found["open"])
    DISABLED.set(found["disabled"])
