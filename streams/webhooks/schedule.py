"""When a message is tried again. The delays are data; time and chance come in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

Outcome = Literal[
    "success", "http_error", "timeout", "dns_error", "connect_error", "tls_error", "blocked_address", "aborted"
]

DELAYS = (5, 30, 120, 300, 1_200, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds from the end of a failed try to the next: 12 tries in 75.5 hours."""

HORIZON = timedelta(hours=96)
LONGEST = timedelta(hours=24)
OVERLOAD_FLOOR = timedelta(seconds=60)
OVERLOAD = frozenset({429, 502, 503, 504})


def overloaded(outcome: str, status: int | None) -> bool:
    """The receiver has too much to do: wait longer, and slow everything that goes there."""
    return outcome == "timeout" or status in OVERLOAD


def next_try(
    failed: int,
    ended: datetime,
    horizon: datetime,
    *,
    jitter: float,
    overload: bool = False,
    retry_after: int | None = None,
    delays: Sequence[int] = DELAYS,
) -> datetime | None:
    """When to try again after `failed` scheduled tries; None when that was the last. `jitter` is drawn from [0, 1)."""
    if failed > len(delays) or ended >= horizon:
        return None
    delay = timedelta(seconds=delays[failed - 1] * (0.8 + 0.4 * jitter))
    if overload:
        delay = max(delay, OVERLOAD_FLOOR)
    if retry_after is not None:
        delay = max(delay, timedelta(seconds=min(retry_after, LONGEST.total_seconds())))
    return min(ended + min(delay, LONGEST * 1.2), horizon)


def asked_seconds(header: str | None, now: datetime) -> int | None:
    """`Retry-After`: whole seconds or an HTTP date (RFC 9110, 10.2.3); None when absent or not readable."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:10])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0, round((aware - now).total_seconds()))
