"""How a receiver does: its circuit, the pause it asked for, and whether it has failed long enough to be switched off.

Pure. Folded over the outcomes of its tries; `deliver.py` keeps it in a row.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

Circuit = Literal["closed", "open", "half_open"]

WINDOW = 5
"""Minutes that the failure rate looks back."""
LEAST, RATE = 10, 0.7
OPEN, LONGEST_OPEN = timedelta(seconds=30), timedelta(minutes=15)
PROBES = 3
SLOW, LONGEST_SLOW = timedelta(seconds=5), timedelta(minutes=15)

DISABLE_AFTER = timedelta(hours=120)
DISABLE_FAILURES = 20
APART, FIRST_DAY = timedelta(hours=12), timedelta(hours=24)


class Minute(msgspec.Struct, frozen=True, array_like=True):
    """Tries of one minute since 1970."""

    at: int
    tries: int
    failures: int


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A receiver's state; nothing is sent there before `not_before`."""

    circuit: Circuit = "closed"
    not_before: datetime | None = None
    minutes: tuple[Minute, ...] = ()
    openings: int = 0
    successes: int = 0
    last_success_at: datetime | None = None
    first_failure_at: datetime | None = None
    failures: int = 0
    spread: bool = False
    """Two failures at least 12 h apart within a day of the first: no single burst."""


class Try(msgspec.Struct, frozen=True):
    """What health wants to know of a try."""

    at: datetime
    success: bool
    overload: bool = False
    retry_after: int | None = None


def after(health: Health, attempt: Try) -> Health:
    """Health once this try is counted."""
    counted = (succeeded if attempt.success else failed)(health, attempt)
    counted = msgspec.structs.replace(counted, minutes=minutes_with(health.minutes, attempt))
    counted = circuit_after(health, counted, attempt)
    return slowed(counted, attempt) if attempt.overload else counted


def succeeded(health: Health, attempt: Try) -> Health:
    return msgspec.structs.replace(health, last_success_at=attempt.at, first_failure_at=None, failures=0, spread=False)


def failed(health: Health, attempt: Try) -> Health:
    first = health.first_failure_at or attempt.at
    spread = health.spread or APART <= attempt.at - first <= FIRST_DAY
    return msgspec.structs.replace(health, first_failure_at=first, failures=health.failures + 1, spread=spread)


def minutes_with(minutes: tuple[Minute, ...], attempt: Try) -> tuple[Minute, ...]:
    now, failure = int(attempt.at.timestamp()) // 60, int(not attempt.success)
    kept = tuple(minute for minute in minutes if now - WINDOW < minute.at)
    if kept and kept[-1].at >= now:
        last = kept[-1]
        return (*kept[:-1], Minute(last.at, last.tries + 1, last.failures + failure))
    return (*kept, Minute(now, 1, failure))


def circuit_after(before: Health, now: Health, attempt: Try) -> Health:
    """Opens, probes and closes. What was on its way when the circuit opened changes nothing any more."""
    if before.circuit == "closed":
        return opened(now, attempt) if tripped(now.minutes) else now
    if before.circuit == "open" and before.not_before is not None and attempt.at < before.not_before:
        return now
    if not attempt.success:
        return opened(now, attempt)
    if before.successes + 1 < PROBES:
        return msgspec.structs.replace(now, circuit="half_open", successes=before.successes + 1)
    return msgspec.structs.replace(now, circuit="closed", successes=0, openings=0, minutes=(), not_before=None)


def tripped(minutes: tuple[Minute, ...]) -> bool:
    tries = sum(minute.tries for minute in minutes)
    return tries >= LEAST and sum(minute.failures for minute in minutes) >= RATE * tries


def opened(health: Health, attempt: Try) -> Health:
    pause = min(OPEN * 2 ** min(health.openings, 10), LONGEST_OPEN)
    return msgspec.structs.replace(
        health, circuit="open", successes=0, openings=health.openings + 1, not_before=later(health, attempt.at + pause)
    )


def slowed(health: Health, attempt: Try) -> Health:
    """An overload holds back everything that goes there, for as long as was asked."""
    asked = SLOW if attempt.retry_after is None else timedelta(seconds=min(attempt.retry_after, 900))
    return msgspec.structs.replace(health, not_before=later(health, attempt.at + min(asked, LONGEST_SLOW)))


def later(health: Health, at: datetime) -> datetime:
    return at if health.not_before is None else max(health.not_before, at)


def hopeless(health: Health, now: datetime) -> bool:
    """Failed for so long, so often and so evenly that an endpoint is to be disabled."""
    first = health.first_failure_at
    return first is not None and now - first >= DISABLE_AFTER and health.failures >= DISABLE_FAILURES and health.spread
