"""What a task spends its time on. Pure but for the clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, TypeVar

Part = Literal["decode", "infer"]
T = TypeVar("T")


class Stopwatch:
    """Seconds of each part, over all its turns."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def on(self, part: Part) -> Iterator[None]:
        """Counts what happens inside."""
        begin = perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + perf_counter() - begin

    def over(self, part: Part, items: Iterator[T]) -> Iterator[T]:
        """The same items; counts what it takes to get them."""
        while True:
            with self.on(part):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item
