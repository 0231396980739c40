"""What credentials were found to be, kept until their owners change: most requests ask Postgres nothing about them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

Result = TypeVar("Result")
OWNERS = frozenset({"tenancy", "provisioning"})
"""The contexts that own credentials: whatever they record, nothing is remembered any longer."""
SECONDS = 30.0
"""Longest that anything is remembered, should a notice of its change be lost on the way."""
MOST = 10_000


class Lookups:
    """Answers by question. A question is asked again after `forget`, also when its answer was on the way meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.answers: dict[tuple[str, ...], tuple[float, Any]] = {}

    def forget(self) -> None:
        self.answers = {}

    async def ask(self, question: tuple[str, ...], look: Callable[[], Awaitable[Result]]) -> Result:
        """What `look` found, now or less than `SECONDS` ago."""
        answers, now = self.answers, self.clock()
        if (kept := answers.get(question)) is not None and now < kept[0]:
            found: Result = kept[1]
            return found
        found = await look()
        if len(answers) >= MOST:
            answers.clear()
        answers[question] = (now + SECONDS, found)
        return found
