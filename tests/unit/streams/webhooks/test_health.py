"""Circuit and disabling (contract, section 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from streams.webhooks.health import Health, Try, after, hopeless

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def fold(*tries: Try) -> Health:
    health = Health()
    for attempt in tries:
        health = after(health, attempt)
    return health


def failing(count: int, start: float = 0, step: float = 1) -> list[Try]:
    return [Try(at(start + n * step), False) for n in range(count)]


def test_ten_tries_of_which_seven_failed_open_it() -> None:
    good = [Try(at(n), True) for n in range(3)]
    assert fold(*good, *failing(6, 3)).circuit == "closed"
    opened = fold(*good, *failing(7, 3))
    assert opened.circuit == "open"
    assert opened.not_before == at(9) + timedelta(seconds=30)


def test_old_tries_do_not_count() -> None:
    assert fold(*failing(9), *failing(1, 600)).circuit == "closed"


def test_a_late_result_changes_nothing() -> None:
    opened = fold(*failing(10))
    assert after(opened, Try(at(11), False)).openings == 1
    assert after(opened, Try(at(11), True)).circuit == "open"


def test_three_probes_close_it_and_a_failure_doubles_the_pause() -> None:
    opened = fold(*failing(10))
    probe = at(9 + 31)
    once = after(opened, Try(probe, True))
    assert once.circuit == "half_open"
    again = after(once, Try(probe + timedelta(seconds=1), False))
    assert (again.circuit, again.openings) == ("open", 2)
    assert again.not_before == probe + timedelta(seconds=61)
    closed = once
    for n in (1, 2):
        closed = after(closed, Try(probe + timedelta(seconds=n), True))
    assert (closed.circuit, closed.openings, closed.not_before) == ("closed", 0, None)


def test_the_pause_ends_at_a_quarter_of_an_hour() -> None:
    health = fold(*failing(10))
    for _ in range(12):
        assert health.not_before is not None
        now = health.not_before
        health = after(health, Try(now, False))
    assert health.not_before == now + timedelta(minutes=15)


def test_an_overload_slows_the_receiver() -> None:
    assert fold(Try(at(0), False, overload=True, retry_after=40)).not_before == at(40)
    assert fold(Try(at(0), False, overload=True)).not_before == at(5)


def test_five_days_of_failures_really_trip() -> None:
    tries = failing(60, step=2 * 3600 + 60)
    health = fold(*tries)
    assert not hopeless(health, tries[-2].at)
    assert hopeless(health, at(120 * 3600))
    assert health.spread


def test_one_burst_on_a_quiet_endpoint_does_not() -> None:
    health = fold(*failing(50), *failing(1, 121 * 3600))
    assert not hopeless(health, at(121 * 3600))


def test_a_success_starts_anew() -> None:
    health = after(fold(*failing(60, step=2 * 3600)), Try(at(119 * 3600), True))
    assert not hopeless(health, at(200 * 3600))
    assert health.failures == 0
