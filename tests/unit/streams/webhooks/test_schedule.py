"""The schedule of the contract, section 5."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.webhooks.schedule import DELAYS, HORIZON, asked_seconds, next_try, overloaded

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
END = BEGIN + HORIZON


def test_twelve_tries_in_three_days_and_a_half() -> None:
    at, tries = BEGIN, 1
    while (due := next_try(tries, at, END, jitter=0.5)) is not None:
        at, tries = due, tries + 1
    assert tries == 12
    assert at - BEGIN == timedelta(hours=75, minutes=27, seconds=35)


@given(st.integers(1, len(DELAYS)), st.floats(0, 1, exclude_max=True), st.integers(0, 10**9) | st.none(), st.booleans())
def test_bounds(failed: int, jitter: float, asked: int | None, overload: bool) -> None:
    due = next_try(failed, BEGIN, END, jitter=jitter, retry_after=asked, overload=overload)
    assert due is not None
    plain = DELAYS[failed - 1]
    wait = (due - BEGIN).total_seconds()
    assert wait >= 0.8 * plain
    assert wait <= max(1.2 * plain, 60.0 if overload else 0.0, min(asked or 0, 86_400)) + 1e-6
    if overload:
        assert wait >= 60
    if asked is not None:
        assert wait >= min(asked, 86_400)


def test_nothing_is_due_past_the_horizon() -> None:
    assert next_try(1, END - timedelta(seconds=1), END, jitter=0.5) == END
    assert next_try(1, END, END, jitter=0.5) is None


def test_an_endpoints_own_list() -> None:
    assert next_try(1, BEGIN, END, jitter=0.5, delays=(7,)) == BEGIN + timedelta(seconds=7)
    assert next_try(2, BEGIN, END, jitter=0.5, delays=(7,)) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), (" 5 ", 5), ("Fri, 20 Nov 2026 12:02:00 GMT", 120), ("Fri, 20 Nov 2020 12:00:00 GMT", 0)]
    + [(bad, None) for bad in (None, "", "soon", "-5", "1.5", "٣")],
)
def test_retry_after(header: str | None, seconds: int | None) -> None:
    assert asked_seconds(header, BEGIN) == seconds


def test_overload() -> None:
    assert [status for status in range(100, 600) if overloaded("http_error", status)] == [429, 502, 503, 504]
    assert overloaded("timeout", None)
    assert not overloaded("connect_error", None)
