"""Heads turn a model's raw outputs into findings. A new head is one file and one line in `HEADS`. Pure."""

from inference.heads.base import Detections, Head, HeadOptions
from inference.heads.blazeface import BlazeFace
from inference.heads.classification import Classification
from inference.heads.nanodet import NanoDet
from inference.heads.nx import NxBoxes, NxScores
from inference.heads.ssd import Ssd
from inference.heads.yolo import YoloEndToEnd, YoloV5, YoloV8
from inference.signature import Signature

HEADS: tuple[Head, ...] = (
    NxBoxes(),
    NxScores(),
    NanoDet(),
    BlazeFace(),
    Ssd(),
    YoloEndToEnd(),
    YoloV5(),
    YoloV8(),
    Classification(),
)
"""In the order they are asked: the surest signs first."""

__all__ = ["HEADS", "Detections", "Head", "HeadOptions", "head_of"]


def head_of(signature: Signature) -> Head | None:
    """The first head that knows these outputs, or None: the model runs, but its output means nothing to us."""
    if signature.image is None:
        return None
    return next((head for head in HEADS if head.knows(signature)), None)
