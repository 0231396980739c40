"""Stretches of time, in seconds: start included, end excluded. Pure."""

from collections.abc import Iterable
from typing import Any

Span = tuple[float, float]


def joined(spans: Iterable[Span], gap: float = 0.0) -> list[Span]:
    """Sorted and disjoint; spans that touch, overlap, or lie at most `gap` apart become one."""
    made: list[Span] = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if made and start <= made[-1][1] + gap:
            made[-1] = made[-1][0], max(made[-1][1], end)
        else:
            made.append((start, end))
    return made


def within(at: float, spans: Iterable[Span]) -> bool:
    return any(start <= at < end for start, end in spans)


def plain(span: Span) -> dict[str, Any]:
    """The contract's time segment: three decimals (noxovision.md, section 10.2)."""
    return {"start_seconds": round(span[0], 3), "end_seconds": round(span[1], 3)}
