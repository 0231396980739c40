"""What a model found in a picture. Pure."""

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Found:
    """One thing in one picture; x, y (top left), width, height as fractions of the picture.

    A classifier's finding covers the whole picture.
    """

    label: str
    score: float
    x: float
    y: float
    width: float
    height: float

    def plain(self) -> list[Any]:
        """A short list, since a video has very many of these."""
        return [self.label, *(round(v, 4) for v in (self.score, self.x, self.y, self.width, self.height))]

    @classmethod
    def of(cls, plain: list[Any]) -> Self:
        return cls(*plain)
