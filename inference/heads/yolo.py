"""The YOLO layouts: v5 and v7 (objectness), v8 to v12 (no objectness, transposed), and exports that hold NMS. Pure."""

import numpy as np

from inference import boxes as geometry
from inference.heads.base import (
    Detections,
    Family,
    Floats,
    HeadOptions,
    Outputs,
    Usual,
    is_shape,
    none_found,
    only,
    picked,
)
from inference.signature import Shape, Signature
from inference.tensors import Preprocess

_FEWEST_CELLS = 100
"""A raw YOLO output has far more cells than columns: 25200 or 8400 at 640 x 640, 1029 at 224 x 224."""


class YoloV5(Usual):
    """[1, cells, 5 + classes]: centre x, centre y, width, height, objectness, then class scores."""

    name = "yolov5"
    family: Family = "objects"

    def knows(self, signature: Signature) -> bool:
        shape = _single(signature)
        if shape is None or not isinstance(shape[2], int) or shape[2] < 6:
            return False
        return shape[2] != 7 and (not isinstance(shape[1], int) or shape[1] > max(shape[2], _FEWEST_CELLS))

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        rows = only(outputs)[0]
        return _suppressed(rows[:, :4], rows[:, 4:5] * rows[:, 5:], options)


class YoloV8(Usual):
    """[1, 4 + classes, cells]: centre x, centre y, width, height, then class scores."""

    name = "yolov8"
    family: Family = "objects"

    def knows(self, signature: Signature) -> bool:
        shape = _single(signature)
        if shape is None or not isinstance(shape[1], int) or shape[1] < 5:
            return False
        return not isinstance(shape[2], int) or shape[2] > max(shape[1], _FEWEST_CELLS)

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        rows = only(outputs)[0].T
        return _suppressed(rows[:, :4], rows[:, 4:], options)


class YoloEndToEnd(Usual):
    """NMS inside the graph: [1, n, 6] as x1 y1 x2 y2 score class, or [n, 7] with the batch index in front."""

    name = "yolo_nms"
    family: Family = "objects"

    def knows(self, signature: Signature) -> bool:
        if len(signature.outputs) != 1:
            return False
        shape = signature.outputs[0].shape
        batch = signature.image.shape[0] if signature.image else 1
        return _rows_of_six(shape) or (len(shape) == 2 and shape[1] == 7 and shape[0] not in (1, batch))

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        rows = only(outputs)
        if rows.shape[-1] == 7:
            boxes, classes, scores = rows[:, 1:5], rows[:, 5], rows[:, 6]
        else:
            rows = rows.reshape(-1, 6)
            boxes, scores, classes = rows[:, :4], rows[:, 4], rows[:, 5]
        return _above(boxes, scores, classes, options)


def _rows_of_six(shape: Shape) -> bool:
    """[1, n, 6] with few rows: 25200 rows of six are a one-class YOLOv5 instead."""
    return is_shape(shape, 1, None, 6) and shape[2] == 6 and (not isinstance(shape[1], int) or shape[1] <= 1000)


def _single(signature: Signature) -> Shape | None:
    """The shape of the first output when it is of rank 3; further outputs of a raw YOLO are its inner scales."""
    shapes = [spec.shape for spec in signature.outputs]
    return shapes[0] if shapes and len(shapes[0]) == 3 and (len(shapes) == 1 or len(shapes[1]) >= 4) else None


def _suppressed(centred: Floats, scores: Floats, options: HeadOptions) -> Detections:
    """Boxes [cells, 4] by centre and scores [cells, classes] to detections."""
    best = scores.max(1)
    rows = np.flatnonzero(best > options.score)
    if not len(rows):
        return none_found()
    boxes, classes = geometry.corners(centred[rows]), scores[rows].argmax(1).astype(np.int64)
    keep = geometry.suppress(boxes, best[rows], classes, options.overlap, options.most)
    return picked(boxes, best[rows], classes, keep)


def _above(boxes: Floats, scores: Floats, classes: Floats, options: HeadOptions) -> Detections:
    keep = np.flatnonzero(scores > options.score)
    keep = keep[np.argsort(-scores[keep], kind="stable")][: options.most]
    return picked(boxes, scores, classes.astype(np.int64), keep)
