"""What a read of readings asks for: which time, which buckets, which aggregates, and where a page goes on."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import msgspec

from api.auth import Caller
from api.gateway import Gateway
from api.iot.answers import moment
from api.iot.places import ZONES
from api.iot.problems import Problem, invalid
from projections.telemetry import queries as telemetry
from projections.telemetry.buckets import LONGEST, MOST, SHORTEST, Buckets, buckets, duration
from projections.telemetry.queries import FUNCTIONS
from projections.tenancy import queries as tenancy

DAY = duration("P1D")
EARLIEST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What a cursor says: the last moment shown, the order, the range."""

    after: int
    descending: bool
    low: int
    high: int

    def text(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


def placed(cursor: str) -> Place:
    """Errors: Problem 400."""
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=Place)
    except (ValueError, msgspec.DecodeError):
        raise invalid("cursor", "INVALID_FORMAT", "is none of ours") from None
    limits = range(telemetry.ms(EARLIEST), telemetry.ms(LAST) + 1)
    if not all(part in limits for part in (found.after, found.low, found.high)):
        raise invalid("cursor", "INVALID_FORMAT", "is none of ours")
    return found


def ranged(start: datetime | None, to: datetime | None, field: str = "from") -> tuple[datetime, datetime]:
    """The last day where nothing is said.

    Errors: Problem 400.
    """
    end = moment(to) if to else datetime.now(UTC)
    begin = moment(start) if start else max(end - DAY, EARLIEST) if end > EARLIEST else EARLIEST
    if not EARLIEST <= begin <= end <= LAST:
        raise invalid(field, "OUT_OF_RANGE", "from comes before to, and both lie between 1970 and 2200.")
    return begin, end


def windowed(window: str) -> tuple[datetime, datetime]:
    """Errors: Problem 400 for a window that began before 1970."""
    now = datetime.now(UTC)
    if duration(window) > now - EARLIEST:
        raise invalid("window", "OUT_OF_RANGE", "is longer than there has been time")
    return now - duration(window), now


async def zone_of(gate: Gateway, caller: Caller, asked: str | None) -> str:
    """The zone asked for, else the organisation's.

    Errors: Problem 400.
    """
    if asked is not None:
        if asked not in ZONES:
            raise invalid("timezone", "INVALID_ENUM", "is not an IANA time zone")
        return asked
    async with gate.reading(caller) as db:
        row = await tenancy.organisation(db)
    return str(row["settings"].get("timezone") or "UTC") if row else "UTC"


def functions_of(asked: list[str] | None, kind: str) -> list[str]:
    """Aggregates by name; each may come alone or with others behind commas.

    Errors: Problem 400 for an unknown one, 422 `FUNCTION_TYPE_MISMATCH`.
    """
    if not asked:
        usual = ("AVG", "MIN", "MAX", "COUNT") if kind in ("DOUBLE", "BIGINT") else tuple(FUNCTIONS[kind])
        return list(usual)
    found = [name for part in asked for name in part.split(",") if name]
    for name in found:
        if not any(name in known for known in FUNCTIONS.values()):
            raise invalid("functions", "INVALID_ENUM", f"{name[:40]} is not an aggregate.")
        if name not in FUNCTIONS[kind]:
            raise invalid("functions", "CONFLICT", f"{name} is not for {kind}.", 422, "FUNCTION_TYPE_MISMATCH")
    return found


def sized(bucket: str | None, zone: str, start: datetime, end: datetime) -> Buckets:
    """Errors: Problem 400 for a size out of bounds, 422 `TOO_MANY_BUCKETS`."""
    found = buckets(bucket, zone, start, end)
    if not SHORTEST <= found.size <= LONGEST or (found.by_day and found.size.seconds):
        raise invalid("bucket", "OUT_OF_RANGE", "A bucket is 1 s to 31 d long.")
    if (end - start) / found.size > MOST:
        raise Problem(422, "TOO_MANY_BUCKETS", f"That would be more than {MOST} buckets.")
    return found
