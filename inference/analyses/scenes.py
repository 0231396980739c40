"""Cuts: where the picture changes from one frame to the next as a whole."""

import itertools
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.spans import Span

WINDOW = 2
"""Frames on each side that say how much change is usual here."""
AHEAD = 2 * WINDOW + 1
"""Frames of the next segment that are needed to judge the cuts near the end of this one."""
SHORTEST = 0.4
"""Seconds; of two cuts closer than this the stronger one stands."""

_SIDE = (64, 36)
_LEAST = 0.05
"""A cut changes the mean luma of small patches by at least this share of black to white."""
_TIMES = 3.0
"""A cut changes the picture this many times as much as its neighbours do."""
_NOISE = 0.004

Patches = NDArray[np.float32]


def patches(luma: NDArray[np.uint8], span: int) -> Patches:
    """Mean brightness of 64 x 36 patches, in shares of black to white."""
    return np.asarray(cv2.resize(luma, _SIDE, interpolation=cv2.INTER_AREA), np.float32) / np.float32(span)


@dataclass(slots=True)
class CutFinder:
    """Takes every frame of a segment in order, and `AHEAD` more; keeps two numbers a frame.

    Frames are numbered from the segment's start. The finder answers for the cuts from frame WINDOW + 1 (frame 1 in
    the first segment) to WINDOW frames past the end, so neighbouring segments neither miss nor repeat one.
    """

    first: bool
    times: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)
    """Change from the frame before."""
    leap: list[float] = field(default_factory=list)
    """Change from the frame before to the frame after: small after a flash."""
    _recent: list[Patches] = field(default_factory=list)

    def add(self, at: float, small: Patches) -> None:
        self.times.append(at)
        self.step.append(_distance(self._recent[-1], small) if self._recent else 0.0)
        if len(self._recent) == 2:
            self.leap[-1] = _distance(self._recent[0], small)
        self.leap.append(self.step[-1])
        self._recent = [*self._recent[-1:], small]

    def cuts(self, frames: int) -> list[tuple[float, float]]:
        """Time and strength of the cuts, given how many of the frames lie inside the segment."""
        start = 1 if self.first else WINDOW + 1
        end = min(frames + WINDOW + 1, len(self.times))
        return [(self.times[i], self.step[i]) for i in range(start, end) if is_cut(self.step, self.leap[i], i)]


def _distance(one: Patches, other: Patches) -> float:
    return float(np.abs(one - other).mean())


def is_cut(step: list[float], leap: float, at: int) -> bool:
    """True when the change at this frame stands out of its neighbours and lasts. Pure."""
    around = step[max(1, at - WINDOW) : at] + step[at + 1 : at + 1 + WINDOW]
    usual = sum(around) / len(around) if around else 0.0
    lasts = leap >= 0.5 * step[at]
    return lasts and step[at] >= _LEAST and step[at] >= _TIMES * (usual + _NOISE) and step[at] >= max(around, default=0)


def scenes(cuts: list[tuple[float, float]], duration: float) -> list[Span]:
    """Contiguous stretches from 0 to the duration. Pure."""
    kept: list[tuple[float, float]] = []
    for at, strength in sorted(cuts):
        if at < SHORTEST or duration - at < SHORTEST:
            continue
        if kept and at - kept[-1][0] < SHORTEST:
            kept[-1] = max(kept[-1], (at, strength), key=lambda cut: cut[1])
        else:
            kept.append((at, strength))
    edges = [0.0, *(at for at, _ in kept), duration]
    return list(itertools.pairwise(edges))
