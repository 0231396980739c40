"""How much the picture moves, and how sharp it is, at a few samples a second."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.sample import Sampler
from inference.spans import Span

FPS = 2.0
"""Samples a second (noxovision.md, section 10.2)."""
_SHARPNESS_SIDE = 640

Luma = NDArray[np.uint8]


@dataclass(slots=True)
class Sample:
    """One analysed frame. `change` is the mean absolute luma difference to the next sample, 0 to 1."""

    at: float
    sharpness: float
    brightness: float
    change: float | None = None

    def plain(self) -> list[float | None]:
        return [round(self.at, 6), round(self.sharpness, 3), round(self.brightness, 4), self.change]


@dataclass(slots=True)
class ActivityMeter:
    """Takes frames in order; the last one it needs is the first sample past the segment's end."""

    sampler: Sampler
    end: float
    samples: list[Sample] = field(default_factory=list)
    done: bool = False
    _last: Luma | None = None

    def add(self, at: float, luma: Luma, span: int) -> None:
        if self.done or not self.sampler.takes(at):
            return
        if self._last is not None:
            self.samples[-1].change = round(difference(self._last, luma, span), 6)
        if at >= self.end:
            self.done = True
            return
        self.samples.append(Sample(at, sharpness(luma), brightness(luma, span)))
        self._last = luma.copy()


def difference(one: Luma, other: Luma, span: int = 255) -> float:
    """Mean absolute difference of two luma planes, as a share of black to white, 0 to 1."""
    if one.shape != other.shape:
        one = np.asarray(cv2.resize(one, (other.shape[1], other.shape[0])), np.uint8)
    return min(1.0, float(cv2.mean(cv2.absdiff(one, other))[0]) / span)


def sharpness(luma: Luma) -> float:
    """Variance of the Laplacian, at 640 pixels wide at most so that sizes compare."""
    shrink = min(1.0, _SHARPNESS_SIDE / luma.shape[1])
    small = luma if shrink == 1 else cv2.resize(luma, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def brightness(luma: Luma, span: int) -> float:
    """Mean luma, 0 black to 1 white."""
    black = 0 if span == 255 else 16
    return min(1.0, max(0.0, (float(luma.mean()) - black) / span))


def diffs(samples: Sequence[Sample]) -> list[float]:
    """The contract's list: one number less than samples. Pure."""
    return [round(sample.change, 4) for sample in samples[:-1] if sample.change is not None]


def mean_change(samples: Sequence[Sample], spans: Sequence[Span]) -> float:
    """Mean change of the samples inside the spans; 0 when there is none. Pure."""
    values = [
        sample.change
        for sample in samples
        if sample.change is not None and any(start <= sample.at < end for start, end in spans)
    ]
    return sum(values) / len(values) if values else 0.0
