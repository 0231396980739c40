"""NanoDet (RangiLyu/nanodet): three strides, class scores (sigmoid done) and box sides as distributions. Pure."""

from dataclasses import replace

import numpy as np

from inference import boxes as geometry
from inference.heads.base import Detections, Family, Floats, HeadOptions, Outputs, Usual, none_found, picked
from inference.heads.coco import COCO
from inference.signature import Signature
from inference.tensors import Preprocess

_STRIDES = (8, 16, 32)
_BINS = 11
"""A side is the expectation over 11 bins of 0 to 10 strides (Generalized Focal Loss, arXiv 2006.04388)."""
_MEANS = (103.53, 116.28, 123.675)
_DIVISORS = (57.375, 57.12, 58.395)


class NanoDet(Usual):
    """Six outputs: [1, cells, classes] and [1, cells, 44] for each stride, told apart by their shapes."""

    name = "nanodet"
    family: Family = "objects"

    def knows(self, signature: Signature) -> bool:
        shapes = [spec.shape for spec in signature.outputs]
        sides = [shape for shape in shapes if len(shape) == 3 and shape[2] == 4 * _BINS]
        return len(shapes) == 6 and len(sides) == 3 and all(len(shape) == 3 for shape in shapes)

    def preprocess(self, signature: Signature) -> Preprocess:
        pre = super().preprocess(signature)
        if signature.normalisation is not None:
            return replace(pre, fitting="stretch")
        return replace(pre, order="bgr", means=_MEANS, divisors=_DIVISORS, fitting="stretch")

    def labels(self, signature: Signature) -> tuple[str, ...]:
        return signature.labels or COCO

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        arrays = [np.asarray(array, np.float32)[0] for array in outputs.values()]
        sides = sorted((a for a in arrays if a.shape[1] == 4 * _BINS), key=len, reverse=True)
        scores = sorted((a for a in arrays if a.shape[1] != 4 * _BINS), key=len, reverse=True)
        found = [
            _stride(score, side, stride, pre, options.score)
            for score, side, stride in zip(scores, sides, _STRIDES, strict=True)
        ]
        boxes, best, classes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if not len(best):
            return none_found()
        keep = geometry.suppress(boxes, best, classes, options.overlap, options.most)
        return picked(boxes, best, classes, keep)


def _stride(
    scores: Floats, sides: Floats, stride: int, pre: Preprocess, limit: float
) -> tuple[Floats, Floats, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Boxes, scores and classes above the limit from one stride: scores [cells, classes], sides [cells, 44]."""
    best = scores.max(1)
    rows = np.flatnonzero(best > limit)
    columns = -(-pre.width // stride)
    centres = np.stack([rows % columns, rows // columns], 1).astype(np.float32) * stride + stride / 2
    logits = sides[rows].reshape(-1, 4, _BINS)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    spans = (weights / weights.sum(-1, keepdims=True)) @ np.arange(_BINS, dtype=np.float32) * stride
    boxes = np.concatenate([centres - spans[:, :2], centres + spans[:, 2:]], 1)
    return boxes.astype(np.float32), best[rows], scores[rows].argmax(1).astype(np.int64)
