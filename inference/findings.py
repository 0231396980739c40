"""What was found in one segment of a video: plain data that can be stored and sent. Pure."""

from dataclasses import dataclass, field
from typing import Any, Self

from inference.analyses.activity import Sample
from inference.analyses.text import Line
from inference.found import Found
from inference.media import Segment


@dataclass(slots=True)
class SegmentFindings:
    """Times in seconds from the start of the video."""

    segment: Segment
    frames: int = 0
    cuts: list[tuple[float, float]] = field(default_factory=list)
    """Time and strength; may lie a few frames past the end."""
    samples: list[Sample] = field(default_factory=list)
    found: list[tuple[float, tuple[Found, ...]]] = field(default_factory=list)
    text: list[tuple[float, tuple[Line, ...]]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "segment": self.segment.plain(),
            "frames": self.frames,
            "cuts": [[round(at, 6), round(strength, 4)] for at, strength in self.cuts],
            "samples": [sample.plain() for sample in self.samples],
            "found": [[round(at, 6), [one.plain() for one in found]] for at, found in self.found],
            "text": [[round(at, 6), [line.plain() for line in lines]] for at, lines in self.text],
        }

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        return cls(
            segment=Segment.of(plain["segment"]),
            frames=plain["frames"],
            cuts=[(at, strength) for at, strength in plain["cuts"]],
            samples=[Sample(*values) for values in plain["samples"]],
            found=[(at, tuple(map(Found.of, found))) for at, found in plain["found"]],
            text=[(at, tuple(map(Line.of, lines))) for at, lines in plain["text"]],
        )
