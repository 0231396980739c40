"""Detectors with separate outputs for boxes, scores and classes: TensorFlow's SSD, torchvision, EfficientNMS. Pure."""

import numpy as np

from inference.heads.base import Detections, Family, Floats, HeadOptions, Outputs, Usual, picked
from inference.signature import Signature
from inference.tensors import Preprocess

_BOXES = ("detection_boxes", "det_boxes", "boxes", "bboxes")
_SCORES = ("detection_scores", "det_scores", "scores")
_CLASSES = ("detection_classes", "det_classes", "classes", "labels")
_COUNT = ("num_detections", "num_dets")


class Ssd(Usual):
    """Boxes [1, n, 4], scores [1, n], classes [1, n], told by their names; the number of rows may be an output.

    TensorFlow's `detection_boxes` are y1 x1 y2 x2 as fractions with classes from 1; the others x1 y1 x2 y2,
    in pixels unless nothing exceeds 2.
    """

    name = "ssd"
    family: Family = "objects"

    def knows(self, signature: Signature) -> bool:
        names = [_bare(spec.name) for spec in signature.outputs]
        return all(any(name in wanted for name in names) for wanted in (_BOXES, _SCORES, _CLASSES))

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        named = {_bare(name): np.asarray(array) for name, array in outputs.items()}
        tensorflow = "detection_boxes" in named
        boxes = _first(named, _BOXES).reshape(-1, 4)
        scores = _first(named, _SCORES).reshape(-1)
        classes = _first(named, _CLASSES).reshape(-1).astype(np.int64) - int(tensorflow)
        count = next((int(named[name].reshape(-1)[0]) for name in _COUNT if name in named), len(scores))
        if tensorflow:
            boxes = boxes[:, [1, 0, 3, 2]]
        if len(boxes) and boxes.max() <= 2:
            boxes = boxes * np.array([pre.width, pre.height] * 2, np.float32)
        keep = np.flatnonzero(scores[:count] > options.score)
        keep = keep[np.argsort(-scores[keep], kind="stable")][: options.most]
        return picked(boxes, scores, classes, keep)


def _bare(name: str) -> str:
    """`detection_boxes:0` without the number of the output."""
    return name.split(":", 1)[0].lower()


def _first(named: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]], names: tuple[str, ...]) -> Floats:
    return next(np.asarray(named[name], np.float32) for name in names if name in named)
