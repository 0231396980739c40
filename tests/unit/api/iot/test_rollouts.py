"""How a rollout stands: given an order, what was reported and the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.iot.rollouts import End, end, standing

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def order(status: str, minutes: int | None = None) -> dict[str, Any]:
    return {"status": status, "completed_at": None if minutes is None else at(minutes)}


@pytest.mark.parametrize(
    ("action", "reports", "now", "expected"),
    [
        (None, [], 29, None),
        (None, [], 30, End(False, at(30))),
        (order("delivered"), [], 99, None),
        (order("failed", 5), [at(6)], 7, End(False, at(5))),
        (order("expired", 30), [], 31, End(False, at(30))),
        (order("completed", 5), [], 14, None),
        (order("completed", 5), [], 15, End(False, at(15))),
        (order("completed", 5), [at(7)], 8, End(True, at(7))),
        (order("completed", 5), [at(4)], 8, End(True, at(5))),
        (order("completed", 5), [at(16)], 17, End(False, at(15))),
    ],
)
def test_a_device_has_succeeded_when_it_reports_the_version_in_time(
    action: Any, reports: list[datetime], now: int, expected: End | None
) -> None:
    assert end(action, reports, at(30), at(now)) == expected


@pytest.mark.parametrize(("good", "status"), [(0, "FAILED"), (1, "PARTIAL"), (2, "COMPLETED")])
def test_the_whole_is_the_sum(good: int, status: str) -> None:
    assert standing(good, 2) == status
