"""Every head reads arrays that were made by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.boxes import corners, overlap, suppress
from inference.heads import HEADS, Detections, HeadOptions, head_of
from inference.heads.base import Outputs
from inference.signature import Shape, Signature, TensorSpec
from inference.tensors import Preprocess

SQUARE = Preprocess(416, 416)
Row = NDArray[np.float32]


def signature(*outputs: tuple[str, Shape], image: Shape = (1, 3, 416, 416)) -> Signature:
    specs = tuple(TensorSpec(name, "float32", shape) for name, shape in outputs)
    return Signature((TensorSpec("input", "float32", image),), specs)


NANODET = signature(
    *[(f"s{n}", (1, n, 80)) for n in (2704, 676, 169)], *[(f"b{n}", (1, n, 44)) for n in (2704, 676, 169)]
)
KNOWN = [
    ("nx_bboxes", signature(("bboxes-format:xyxysc;0:person", (20, 6)))),
    ("nx_bboxes", signature(("bboxes-format:xyxysc;0:person", (1, 20, 6)))),
    ("nx_scores", signature(("scores-0:Cat;1:Dog", (1, 2)))),
    ("nanodet", NANODET),
    ("blazeface", signature(("a", (1, 512, 1)), ("b", (1, 384, 1)), ("c", (1, 512, 16)), ("d", (1, 384, 16)))),
    (
        "ssd",
        signature(("detection_boxes:0", (1, 9, 4)), ("detection_scores:0", (1, 9)), ("detection_classes:0", (1, 9))),
    ),
    ("yolo_nms", signature(("output0", (1, 300, 6)))),
    ("yolo_nms", signature(("output", ("n", 7)))),
    ("yolov5", signature(("output0", (1, 25200, 85)))),
    ("yolov5", signature(("output0", (1, 25200, 6)))),
    ("yolov8", signature(("output0", (1, 84, 8400)))),
    ("yolov8", signature(("output0", (1, 5, 1029)))),
    ("classification", signature(("probs", (1, 1000)))),
    ("classification", signature(("Identity", ("d0", 7)), image=("d0", 64, 64, 3))),
    (None, signature(("mask", (1, 21, 65, 65)))),
]


@pytest.mark.parametrize(("name", "given"), KNOWN)
def test_the_right_head_is_found(name: str | None, given: Signature) -> None:
    head = head_of(given)
    assert (head.name if head else None) == name


def read(name: str, outputs: Outputs, pre: Preprocess = SQUARE, **options: float) -> Detections:
    head = next(head for head in HEADS if head.name == name)
    return head.decode(outputs, pre, HeadOptions(**options))  # type: ignore[arg-type]


def test_nanodet_reads_distributions() -> None:
    scores = {n: np.zeros((1, n, 80), np.float32) for n in (2704, 676, 169)}
    sides = {n: np.zeros((1, n, 44), np.float32) for n in (2704, 676, 169)}
    cell = 13 * 5 + 4  # stride 32: centre at ((4 + .5) * 32, (5 + .5) * 32)
    scores[169][0, cell, 2] = 0.8
    for side, distance in enumerate((1, 2, 3, 1)):
        sides[169][0, cell, side * 11 + distance] = 50.0
    outputs = {f"s{n}": scores[n] for n in scores} | {f"b{n}": sides[n] for n in sides}
    found = read("nanodet", outputs)
    assert found.classes.tolist() == [2]
    assert found.scores == pytest.approx([0.8])
    assert found.boxes[0] == pytest.approx([144 - 32, 176 - 64, 144 + 96, 176 + 32], abs=0.01)
    assert head_of(NANODET).labels(NANODET)[2] == "car"  # type: ignore[union-attr]


def test_blazeface_merges_by_score() -> None:
    arrays = [np.full((1, n, 1), -9.0, np.float32) for n in (512, 384)]
    boxes = [np.zeros((1, n, 16), np.float32) for n in (512, 384)]
    for anchor, shift in ((0, 0.0), (1, 4.0)):  # two anchors of the first cell, centre (8, 8)
        arrays[0][0, anchor, 0] = 4.0
        boxes[0][0, anchor, :4] = (20 + shift, 20, 16, 16)
    found = read("blazeface", dict(zip("abcd", [*arrays, *boxes], strict=True)), Preprocess(256, 256))
    assert len(found) == 1
    assert found.boxes[0] == pytest.approx([28 + 2 - 8, 20, 28 + 2 + 8, 36], abs=0.01)
    assert found.points.shape == (1, 6, 2)


def yolo_rows(objectness: bool) -> Row:
    """Three boxes: two of one thing, one of another; columns centre, size, (objectness,) three classes."""
    rows = np.zeros((200, 5 + 3), np.float32)
    rows[0] = (100, 100, 40, 80, 0.9, 0.1, 0.9, 0.0)
    rows[1] = (102, 100, 40, 80, 0.9, 0.1, 0.8, 0.0)
    rows[2] = (300, 200, 50, 50, 0.9, 0.0, 0.0, 0.7)
    return rows if objectness else np.delete(rows, 4, axis=1)


def test_yolo_v5_and_v8_agree() -> None:
    five = read("yolov5", {"o": yolo_rows(True)[None]})
    eight = read("yolov8", {"o": yolo_rows(False).T[None]})
    assert five.classes.tolist() == eight.classes.tolist() == [1, 2]
    assert five.boxes == pytest.approx(eight.boxes)
    assert five.boxes[0] == pytest.approx([80, 60, 120, 140])
    assert five.scores == pytest.approx([0.81, 0.63])


def test_yolo_with_nms_inside() -> None:
    six = np.array([[[1, 2, 3, 4, 0.5, 7], [5, 6, 7, 8, 0.9, 1], [0, 0, 0, 0, 0, 0]]], np.float32)
    found = read("yolo_nms", {"o": six})
    assert (found.classes.tolist(), found.boxes[0].tolist()) == ([1, 7], [5, 6, 7, 8])
    seven = np.array([[0, 1, 2, 3, 4, 7, 0.5]], np.float32)
    assert read("yolo_nms", {"o": seven}).classes.tolist() == [7]


def test_ssd_of_tensorflow_and_of_others() -> None:
    flow = read(
        "ssd",
        {
            "detection_boxes": np.array([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1]]], np.float32),
            "detection_scores": np.array([[0.9, 0.8]], np.float32),
            "detection_classes": np.array([[1.0, 3.0]], np.float32),
            "num_detections": np.array([1.0], np.float32),
        },
        Preprocess(100, 200),
    )
    assert flow.classes.tolist() == [0]
    assert flow.boxes[0] == pytest.approx([20, 20, 60, 100])
    vision = read(
        "ssd",
        {
            "boxes": np.array([[10, 20, 30, 40]], np.float32),
            "scores": np.array([0.9], np.float32),
            "labels": np.array([5]),
        },
    )
    assert (vision.classes.tolist(), vision.boxes[0].tolist()) == ([5], [10, 20, 30, 40])


def test_classes_come_best_first() -> None:
    logits = read("classification", {"o": np.array([[0.0, 4.0, 1.0]], np.float32)}, score=0.01)
    assert logits.classes.tolist() == [1, 2, 0]
    assert logits.scores.sum() == pytest.approx(1)
    sure = read("nx_scores", {"scores-0:Cat;1:Dog": np.array([[0.3, 0.7]], np.float32)})
    assert (sure.classes.tolist(), sure.scores.tolist()) == ([1], pytest.approx([0.7]))


def test_nx_boxes_above_the_score() -> None:
    rows = np.array([[1, 2, 3, 4, 0.5, 1], [5, 6, 7, 8, 0.1, 0]], np.float32)
    assert read("nx_bboxes", {"bboxes-format:xyxysc;0:a;1:b": rows}).classes.tolist() == [1]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_nothing_found_is_empty(head: object) -> None:
    given = {name: example for name, example in KNOWN if name}[head.name]  # type: ignore[attr-defined]
    outputs = {
        spec.name: np.full([size if isinstance(size, int) else 1 for size in spec.shape], -99.0, np.float32)
        if head.name == "blazeface"  # type: ignore[attr-defined]
        else np.zeros([size if isinstance(size, int) else 1 for size in spec.shape], np.float32)
        for spec in given.outputs
    }
    found = head.decode(outputs, SQUARE, HeadOptions(score=0.6))  # type: ignore[attr-defined]
    assert len(found) == 0


def test_suppression_keeps_classes_apart() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10]], np.float32)
    scores = np.array([0.8, 0.9, 0.7], np.float32)
    assert suppress(boxes, scores, np.array([0, 0, 1])).tolist() == [1, 2]
    assert overlap(boxes[:1], boxes[1:2])[0, 0] == pytest.approx(90 / 110)
    assert corners(np.array([[5, 5, 4, 2]], np.float32)).tolist() == [[3, 4, 7, 6]]
