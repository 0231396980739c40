"""FlatBuffers, read by field numbers: enough for files whose schema is known. Pure.

Format: flatbuffers.dev/internals. A wrong offset raises `struct.error` or gives nonsense, never more than the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inference.importers.tfjs_graph import Array


@dataclass(frozen=True, slots=True)
class Table:
    """A table at a place in the bytes; a field that is not there has its default."""

    data: bytes
    place: int

    def field(self, number: int) -> int | None:
        """Where the field's value stands."""
        table = self.place - self._at("<i", self.place)
        entry = 4 + 2 * number
        offset = self._at("<H", table + entry) if entry < self._at("<H", table) else 0
        return self.place + offset if offset else None

    def scalar(self, number: int, form: str = "<i", default: int = 0) -> int:
        at = self.field(number)
        return default if at is None else self._at(form, at)

    def real(self, number: int, default: float = 0.0) -> float:
        at = self.field(number)
        return default if at is None else float(struct.unpack_from("<f", self.data, at)[0])

    def table(self, number: int) -> Table | None:
        at = self.field(number)
        return None if at is None else Table(self.data, at + self._at("<I", at))

    def tables(self, number: int) -> Iterator[Table]:
        for at in self._elements(number, 4):
            yield Table(self.data, at + self._at("<I", at))

    def numbers(self, number: int) -> list[int]:
        return [self._at("<i", at) for at in self._elements(number, 4)]

    def octets(self, number: int) -> bytes:
        where = self._elements(number, 1)
        return self.data[where.start : where.stop]

    def text(self, number: int) -> str:
        return self.octets(number).decode("utf-8", "replace")

    def array(self, number: int, dtype: np.dtype[np.generic]) -> Array:
        return np.frombuffer(self.octets(number), dtype)

    def _elements(self, number: int, size: int) -> range:
        at = self.field(number)
        if at is None:
            return range(0)
        start = at + self._at("<I", at)
        count = self._at("<I", start)
        if start + 4 + count * size > len(self.data):
            raise struct.error("a vector goes beyond the file")
        return range(start + 4, start + 4 + count * size, size)

    def _at(self, form: str, place: int) -> int:
        if place < 0:
            raise struct.error("an offset before the file")
        return int(struct.unpack_from(form, self.data, place)[0])


def root(data: bytes) -> Table:
    """The file's first table."""
    return Table(data, struct.unpack_from("<I", data)[0])
