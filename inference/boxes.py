"""Arithmetic on boxes, [n, 4] as x1, y1, x2, y2 unless a name says otherwise. Pure."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def corners(centred: Floats) -> Floats:
    """Centre x, centre y, width, height to corners, on the last axis."""
    half = centred[..., 2:4] / 2
    return np.concatenate([centred[..., :2] - half, centred[..., :2] + half], axis=-1)


def overlap(one: Floats, other: Floats) -> Floats:
    """Intersection over union of every box of `one` with every box of `other`, [n, m]."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = area(one)[:, None] + area(other)[None, :] - shared
    return np.asarray(shared / np.maximum(areas, 1e-9), np.float32)


def area(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1), np.float32)


def suppress(boxes: Floats, scores: Floats, classes: Ints, limit: float = 0.5, most: int = 300) -> Ints:
    """Non-maximum suppression within each class: indices of the kept boxes, best first."""
    if not len(boxes):
        return np.empty(0, np.int64)
    apart = (boxes.max() - min(float(boxes.min()), 0.0) + 1) * classes[:, None].astype(np.float32)
    shifted = boxes + apart
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(waiting) and len(kept) < most:
        best = int(waiting[0])
        kept.append(best)
        rest = waiting[1:]
        waiting = rest[overlap(shifted[[best]], shifted[rest])[0] <= limit]
    return np.array(kept, np.int64)
