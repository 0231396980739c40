"""Which frames are looked at. Pure.

Time is cut into slots of 1/fps seconds, counted from the start of the video; the first frame of a slot is its sample.
Slots belong to the video, not to a segment of it, so the samples do not depend on how the video was split.
"""

import math
from dataclasses import dataclass, field

_ROUNDING = 1e-6
"""Seconds; keeps a frame stamped 0.4999999 in the slot that starts at 0.5."""


def slot(at: float, fps: float) -> int:
    """Number of the slot that holds the time `at` (seconds)."""
    return math.floor((at + _ROUNDING) * fps)


@dataclass(slots=True)
class Sampler:
    """Says of each frame, in time order, whether it is the first of its slot.

    `before` is the time of the last frame that another segment has seen, or None at the start of the video.
    """

    fps: float
    before: float | None = None
    _last: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.before is not None:
            self._last = slot(self.before, self.fps)

    def takes(self, at: float) -> bool:
        """True when the frame at `at` (seconds) is a sample."""
        here = slot(at, self.fps)
        if self._last is not None and here <= self._last:
            return False
        self._last = here
        return True
