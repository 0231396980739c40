"""What a task spends its time on."""

from __future__ import annotations

import time
from collections.abc import Iterator

from inference.stopwatch import Stopwatch


def slow() -> Iterator[int]:
    for number in range(3):
        time.sleep(0.01)
        yield number


def test_getting_items_counts_and_using_them_does_not() -> None:
    watch = Stopwatch()
    found = []
    for number in watch.over("decode", slow()):
        time.sleep(0.02)
        found.append(number)
    with watch.on("infer"):
        time.sleep(0.01)
    assert found == [0, 1, 2]
    assert 0.03 <= watch.seconds["decode"] < 0.06
    assert 0.01 <= watch.seconds["infer"] < 0.03
