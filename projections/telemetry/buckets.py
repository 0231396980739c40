"""Buckets of time: which there are, where they begin, and what fills those that nothing fell into. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

MOST = 10_000
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=31)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_0, MONDAY = date(1970, 1, 1), 3
"""1970-01-01 was a Thursday: three days after a Monday."""
DEFAULTS = ("PT1S", "PT10S", "PT1M", "PT5M", "PT15M", "PT1H", "PT6H", "P1D")
FEW = 500
DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d{1,6})W|(?:(?P<days>\d{1,6})D)?(?:T(?=\d)(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,9})M)?"
    r"(?:(?P<seconds>\d{1,10})S)?)?)"
)


class NoDuration(ValueError):
    """Not an ISO-8601 duration of weeks, days, hours, minutes, seconds."""


class Buckets(msgspec.Struct, frozen=True):
    """Buckets of one size: from the epoch, or by the calendar of `zone` where they are whole days or weeks."""

    size: timedelta
    zone: str
    text: str
    by_day: bool = False

    @property
    def shift(self) -> int:
        """Days by which weeks are moved to begin on Mondays."""
        return MONDAY if self.by_day and self.size.days % 7 == 0 and self.text.endswith("W") else 0

    def sql(self) -> str:
        """The bucket's number; `zone` is bound as a parameter."""
        if self.by_day:
            day = "toInt32(toDate32(toTimeZone(ts, {zone:String})))"
            return f"intDiv({day} + {self.shift}, {self.size.days})"
        return f"intDiv(toUnixTimestamp64Milli(ts), {self.size // timedelta(milliseconds=1)})"

    def number(self, at: datetime) -> int:
        """The number of the bucket that holds a moment."""
        if self.by_day:
            return ((at.astimezone(ZoneInfo(self.zone)).date() - DAY_0).days + self.shift) // self.size.days
        return (at - EPOCH) // self.size

    def start(self, number: int) -> datetime:
        """Where a bucket begins."""
        if self.by_day:
            day = DAY_0 + timedelta(days=number * self.size.days - self.shift)
            return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        return EPOCH + number * self.size


def duration(text: str) -> timedelta:
    """Errors: NoDuration."""
    found = DURATION.fullmatch(text)
    if found is None:
        raise NoDuration(text)
    return timedelta(**{unit: int(n) for unit, n in found.groupdict().items() if n})


def buckets(text: str | None, zone: str, start: datetime, end: datetime) -> Buckets:
    """Buckets as asked for, else the smallest of a few sizes that gives few of them."""
    asked = text or next((d for d in DEFAULTS if (end - start) / duration(d) <= FEW), DEFAULTS[-1])
    size = duration(asked)
    return Buckets(size, zone, asked, "T" not in asked)


def filled(found: dict[int, dict[str, Any]], numbers: range, fill: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every bucket of `numbers` with what fell into it, or what the fill policy puts there (`count` stays 0)."""
    if fill == "NONE":
        yield from sorted(found.items())
        return
    known = sorted(found)
    position = 0
    for number in numbers:
        while position < len(known) and known[position] <= number:
            position += 1
        if number in found:
            yield number, found[number]
            continue
        before = known[position - 1] if position else None
        after = known[position] if position < len(known) else None
        yield number, {**invented(found, number, before, after, fill), "count": 0}


def invented(
    found: dict[int, dict[str, Any]], number: int, before: int | None, after: int | None, fill: str
) -> dict[str, Any]:
    if fill == "PREVIOUS" and before is not None:
        return found[before]
    if fill == "LINEAR" and before is not None and after is not None:
        share = (number - before) / (after - before)
        low, high = found[before], found[after]
        return {name: low[name] + (high[name] - low[name]) * share for name in low if isnumber(low[name], high[name])}
    return {}


def isnumber(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
