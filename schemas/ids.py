"""Ids: UUID v7 for new entities, uuid5 for what must come out the same again, integers where a dialect wants them."""

from __future__ import annotations

import secrets
import time
from threading import Lock
from uuid import NAMESPACE_OID, UUID, uuid5

NUMBER_EPOCH_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: numbers count milliseconds from here."""


class Ticker:
    """Millisecond and counter, each pair above every one before it in this process."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.last = 0

    def next(self) -> tuple[int, int]:
        now = time.time_ns() // 1_000_000
        with self.lock:
            self.last = now << 12 | secrets.randbits(11) if now > self.last >> 12 else self.last + 1
            return self.last >> 12, self.last & 0xFFF


TICKER = Ticker()


def new_id(at_ms: int | None = None) -> str:
    """A UUID v7 (RFC 9562, 5.7): 48 bits of milliseconds, then a counter, then random bits; sorts by time.

    The counter (6.2, method 1) starts anywhere in each millisecond and stands in the low bits too, which `number_of`
    takes: no two ids of one process share a number.
    """
    ms, counter = TICKER.next() if at_ms is None else (at_ms, secrets.randbits(12))
    value = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(50) << 12 | counter
    return str(UUID(int=value))


def is_id(text: str) -> bool:
    """Whether `text` is a UUID in its usual form (what a path or body of a client may hold instead is anything)."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def derived_id(parent: str, name: object) -> str:
    """uuid5 of `parent` (a UUID, else any text) and `name`: the same work gets the same id."""
    try:
        namespace = UUID(parent)
    except ValueError:
        namespace = uuid5(NAMESPACE_OID, parent)
    return str(uuid5(namespace, str(name)))


def number_of(id: str) -> int:
    """The positive integer (at most 53 bits, exact in JSON) that stands for a UUID v7 in dialects with integer ids.

    41 bits of milliseconds since 2026 and 12 of the low bits: sorts by time, and a pure function of the id, so that a
    rebuild gives the same number. Ids of two processes in one millisecond share a number once in 4,096: where that
    matters, the number is a claim. An id of another version gives 53 of its bits, in no order.
    """
    id_ = UUID(id)
    if id_.version != 7:
        return id_.int & (1 << 53) - 1
    return max((id_.int >> 80) - NUMBER_EPOCH_MS, 0) << 12 | id_.int & 0xFFF
