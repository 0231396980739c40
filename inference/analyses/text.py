"""Text in the picture: what one frame shows, and how lines of many frames become stretches."""

import difflib
import importlib.metadata
import threading
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from inference.analyses.language import language_of
from inference.spans import Span, plain
from inference.tensors import Picture

_ALIKE = 0.8
"""Two readings of one line share at least this much (difflib's ratio)."""
_NEAR = 0.15
"""A line stays when its centre moves by less than this share of the picture between samples."""
_MISSED = 1
"""So many samples in a row a line may go unread and still be the same."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text; x, y (top left), width, height as fractions of the picture."""

    text: str
    score: float
    x: float
    y: float
    width: float
    height: float

    def plain(self) -> list[Any]:
        return [self.text, *(round(v, 4) for v in (self.score, self.x, self.y, self.width, self.height))]

    @classmethod
    def of(cls, plain: list[Any]) -> Self:
        return cls(*plain)


class Reader(Protocol):
    """Reads text."""

    @property
    def version(self) -> str: ...
    def read(self, picture: Picture) -> tuple[Line, ...]: ...


class PaddleReader:
    """PP-OCR through RapidOCR. `side` is the longer side that detection works on: smaller is faster, 640 reads
    letters of about 1/50 of the picture's height; one picture at a time."""

    def __init__(self, side: int = 640, threads: int = 0, score: float = 0.6) -> None:
        import rapidocr  # loads three models: only when text is wanted

        self.version = f"rapidocr-{importlib.metadata.version('rapidocr')}"
        self._lock = threading.Lock()
        self._most = 2 * side
        self._read = rapidocr.RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.use_cls": False,
                "Global.text_score": score,
                "Det.limit_type": "max",
                "Det.limit_side_len": side,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads or -1,
            }
        )

    def read(self, picture: Picture) -> tuple[Line, ...]:
        shrink = min(1.0, self._most / max(picture.width, picture.height))
        width, height = max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))
        with self._lock:
            seen: Any = self._read(picture.pixels(width, height))
        if seen.txts is None or seen.boxes is None:
            return ()
        return tuple(
            _line(text, score, np.asarray(box, np.float64) / (width, height))
            for text, score, box in zip(seen.txts, seen.scores, seen.boxes, strict=True)
            if text.strip()
        )


def _line(text: str, score: float, corners: "np.ndarray[Any, np.dtype[np.float64]]") -> Line:
    low, high = np.clip(corners.min(0), 0, 1), np.clip(corners.max(0), 0, 1)
    size = high - low
    return Line(tidy(text), float(score), float(low[0]), float(low[1]), float(size[0]), float(size[1]))


def tidy(text: str) -> str:
    """Unicode NFC, single spaces, no control characters. Pure."""
    kept = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)
    return " ".join(unicodedata.normalize("NFC", kept).split())


def in_reading_order(lines: Sequence[Line]) -> list[list[Line]]:
    """Rows from top to bottom, each from left to right; lines whose middles are close in height share a row. Pure."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda one: one.y + one.height / 2):
        middle = line.y + line.height / 2
        if rows and abs(middle - (rows[-1][0].y + rows[-1][0].height / 2)) < 0.5 * min(line.height, rows[-1][0].height):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda one: one.x) for row in rows]


def full_text(lines: Sequence[Line]) -> str:
    """All lines in reading order, rows divided by line breaks. Pure."""
    return "\n".join(" ".join(line.text for line in row) for row in in_reading_order(lines))


@dataclass(slots=True)
class Stretch:
    """One line over time: every reading of it, with its time."""

    readings: list[tuple[float, Line]] = field(default_factory=list)
    missed: int = 0

    @property
    def last(self) -> Line:
        return self.readings[-1][1]

    def best(self) -> Line:
        """The reading with the largest sum of scores over its repeats."""
        sums: dict[str, float] = {}
        for _, line in self.readings:
            sums[line.text] = sums.get(line.text, 0.0) + line.score
        text = max(sums, key=lambda word: (sums[word], word))
        return max((line for _, line in self.readings if line.text == text), key=lambda line: line.score)

    def continues(self, line: Line) -> bool:
        moved = max(abs(line.x - self.last.x), abs(line.y - self.last.y))
        return moved < _NEAR and alike(line.text, self.last.text)


def alike(one: str, other: str) -> bool:
    """True when both may be readings of one text; short texts and numbers must be equal. Pure."""
    if one == other:
        return True
    if min(len(one), len(other)) < 4 or any(letter.isdigit() for letter in one + other):
        return False
    return difflib.SequenceMatcher(None, one.lower(), other.lower(), autojunk=False).ratio() >= _ALIKE


Seen = tuple[float, tuple[Line, ...]]


def stretches(seen: Sequence[Seen]) -> list[Stretch]:
    """Follows each line through the samples, in time order. Pure."""
    open_, closed = list[Stretch](), list[Stretch]()
    for at, lines in sorted(seen, key=lambda sample: sample[0]):
        free = list(open_)
        for line in lines:
            match = next((stretch for stretch in free if stretch.continues(line)), None)
            if match is None:
                open_.append(Stretch([(at, line)]))
            else:
                free.remove(match)
                match.readings.append((at, line))
                match.missed = 0
        for stretch in free:
            stretch.missed += 1
        closed += [stretch for stretch in open_ if stretch.missed > _MISSED]
        open_ = [stretch for stretch in open_ if stretch.missed <= _MISSED]
    return closed + open_


@dataclass(frozen=True, slots=True)
class Text:
    """A text and when it is to be seen."""

    text: str
    span: Span
    score: float

    def plain(self) -> dict[str, Any]:
        """An entry of the contract's `ocr_results`."""
        return {"language_code": language_of(self.text), "full_text": self.text, "time_segment": plain(self.span)}


def texts(seen: Sequence[Seen], since: Callable[[float], float], until: Callable[[float], float]) -> list[Text]:
    """One entry for each distinct text and stretch: lines that come and go together are one text.

    `since` and `until` turn the times of the first and the last sample into the stretch's start and end. Pure.
    """
    groups: dict[Span, list[Line]] = {}
    for stretch in stretches(seen):
        span = since(stretch.readings[0][0]), until(stretch.readings[-1][0])
        groups.setdefault(span, []).append(stretch.best())
    made = [
        Text(full_text(lines), span, sum(line.score for line in lines) / len(lines)) for span, lines in groups.items()
    ]
    return sorted(made, key=lambda text: (text.span, text.text))
