"""What the demo did, how long it took, and whether it held."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import httpx
from rich.console import Console
from rich.table import Table


class Failed(Exception):
    """A check that did not hold: going on would prove nothing."""


@dataclass
class Step:
    dialect: str
    what: str
    seconds: float
    held: bool
    detail: str


@dataclass
class Journal:
    """Steps in order; each takes the time since the one before."""

    started: float
    dialect: str = ""
    steps: list[Step] = field(default_factory=list)
    console: Console = field(default_factory=lambda: Console(highlight=False))

    def begin(self, dialect: str) -> None:
        self.dialect, self.started = dialect, time.perf_counter()

    def held(self, what: str, good: object, detail: object = "") -> None:
        """Notes a step.

        Errors: Failed when the check did not hold.
        """
        now = time.perf_counter()
        step = Step(self.dialect, what, now - self.started, bool(good), str(detail))
        self.steps.append(step)
        self.started = now
        self.console.print(
            f"{'ok  ' if step.held else 'FAIL'} {step.dialect:12} {step.seconds:7.2f} s  {what}  {detail}", markup=False
        )
        if not good:
            raise Failed(what)

    def answered(self, what: str, answer: httpx.Response, *codes: int) -> None:
        """Notes a step that an answer's status decides."""
        good = answer.status_code in (codes or (200,))
        self.held(what, good, "" if good else f"{answer.status_code} {answer.text[:300]}")

    def broke(self, problem: BaseException) -> None:
        """Notes what ended a dialect's path."""
        if not isinstance(problem, Failed):
            self.steps.append(Step(self.dialect, f"{type(problem).__name__}: {problem}", 0.0, False, ""))
            self.console.print(f"FAIL {self.dialect:12} {problem!r}", markup=False)

    @property
    def whole(self) -> bool:
        return bool(self.steps) and all(step.held for step in self.steps)

    def show(self) -> None:
        table = Table("dialect", "what", "seconds", "", title="Sightlog: the main job")
        for step in self.steps:
            table.add_row(step.dialect, step.what, f"{step.seconds:.2f}", "ok" if step.held else "FAILED")
        self.console.print(table)
