"""Buckets: where they begin, which moment falls where, what fills the empty ones (contract, 6.10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.telemetry.buckets import NoDuration, buckets, duration, filled

START = datetime(2026, 3, 28, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1S", 1), ("PT5M", 300), ("P1D", 86_400), ("P1W", 604_800), ("P1DT1H30M", 91_800)]
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "1D", "P1M", "P1Y", "PT1.5S", "-P1D", "P1DT", "P1W1D"])
def test_no_durations(text: str) -> None:
    with pytest.raises(NoDuration):
        duration(text)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["PT1S", "PT7M", "PT6H", "P1D", "P3D", "P1W", "P2W"]),
    st.sampled_from(ZONES),
)
def test_a_moment_lies_in_its_bucket(at: datetime, size: str, zone: str) -> None:
    found = buckets(size, zone, at, at + timedelta(days=1))
    number = found.number(at)
    assert found.start(number) <= at < found.start(number + 1)
    assert found.number(found.start(number)) == number


def test_days_follow_daylight_saving() -> None:
    found = buckets("P1D", "Europe/Berlin", START, START + timedelta(days=3))
    first = found.number(datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert [found.start(first + n) for n in range(2)] == [
        datetime(2026, 3, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    ]


def test_weeks_begin_on_mondays() -> None:
    found = buckets("P1W", "UTC", START, START)
    assert found.start(found.number(START)) == datetime(2026, 3, 23, tzinfo=UTC)


def test_the_default_gives_few() -> None:
    for span in (timedelta(minutes=1), timedelta(hours=10), timedelta(days=300)):
        found = buckets(None, "UTC", START, START + span)
        assert span / found.size <= 500


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("NONE", [(1, {"count": 2, "avg": 10.0}), (4, {"count": 1, "avg": 40.0})]),
        ("NULL", [(0, {"count": 0}), (1, {"count": 2, "avg": 10.0}), (2, {"count": 0}), (3, {"count": 0})]),
        ("PREVIOUS", [(0, {"count": 0}), (1, {"count": 2, "avg": 10.0}), (2, {"count": 0, "avg": 10.0})]),
        ("LINEAR", [(0, {"count": 0}), (1, {"count": 2, "avg": 10.0}), (2, {"count": 0, "avg": 20.0})]),
    ],
)
def test_filling(policy: str, expected: list[tuple[int, dict[str, float]]]) -> None:
    found = {1: {"count": 2, "avg": 10.0}, 4: {"count": 1, "avg": 40.0}}
    assert list(filled(found, range(6), policy))[: len(expected)] == expected
