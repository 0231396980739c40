"""BlazeFace, the long-range variant of MediaPipe (arXiv 1907.05047): 896 anchors on a 256 x 256 input. Pure."""

from dataclasses import replace

import numpy as np

from inference import boxes as geometry
from inference.heads.base import Detections, Family, Floats, HeadOptions, Outputs, Usual, none_found
from inference.signature import Signature
from inference.tensors import Preprocess

_GRIDS = ((16, 2), (8, 6))
"""Cells a side and anchors a cell."""
_MERGE = 0.3
"""Boxes that overlap more are averaged by score, as MediaPipe does, not dropped."""


def anchors() -> Floats:
    """Centres of the 896 anchors, [896, 2], fractions of the input."""
    made = []
    for cells, each in _GRIDS:
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        x, y = np.meshgrid(middle, middle)
        made.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), each, 0))
    return np.concatenate(made)


_ANCHORS = anchors()


class BlazeFace(Usual):
    """Score logits [1, 512, 1] and [1, 384, 1]; box and six points [1, 512, 16] and [1, 384, 16]."""

    name = "blazeface"
    family: Family = "faces"

    def knows(self, signature: Signature) -> bool:
        wanted = {(512, 1), (384, 1), (512, 16), (384, 16)}
        return {spec.shape[1:] for spec in signature.outputs if len(spec.shape) == 3} == wanted

    def preprocess(self, signature: Signature) -> Preprocess:
        pre = super().preprocess(signature)
        return replace(pre, order="rgb", means=(127.5,) * 3, divisors=(127.5,) * 3, fitting="letterbox")

    def labels(self, signature: Signature) -> tuple[str, ...]:
        return ("face",)

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        arrays = sorted((np.asarray(a, np.float32)[0] for a in outputs.values()), key=lambda a: (a.shape[1], -len(a)))
        logits, raw = np.concatenate(arrays[:2])[:, 0], np.concatenate(arrays[2:])
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        keep = scores > options.score
        if not keep.any():
            return none_found()
        size = np.array([pre.width, pre.height], np.float32)
        raw, centres = raw[keep], _ANCHORS[keep] * size
        boxes = geometry.corners(np.concatenate([raw[:, :2] + centres, raw[:, 2:4]], 1))
        points = raw[:, 4:].reshape(-1, 6, 2) + centres[:, None]
        return _merged(boxes, scores[keep].astype(np.float32), points, options.most)


def _merged(boxes: Floats, scores: Floats, points: Floats, most: int) -> Detections:
    """Weighted non-maximum suppression: boxes and points of one face averaged by score."""
    order = np.argsort(-scores, kind="stable")
    kept: list[tuple[Floats, float, Floats]] = []
    while len(order) and len(kept) < most:
        same = geometry.overlap(boxes[order[:1]], boxes[order])[0] > _MERGE
        same[0] = True
        group = order[same]
        weight = scores[group] / scores[group].sum()
        box, point = weight @ boxes[group], np.tensordot(weight, points[group], 1)
        kept.append((box, float(scores[order[0]]), point))
        order = order[~same]
    return Detections(
        np.stack([box for box, _, _ in kept]).astype(np.float32),
        np.array([score for _, score, _ in kept], np.float32),
        np.zeros(len(kept), np.int64),
        np.stack([point for _, _, point in kept]).astype(np.float32),
    )
