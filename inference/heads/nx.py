"""The named tensors of the Nx conventions: `bboxes-format:xyxysc;0:person` and `scores-0:Cat;1:Dog`. Pure."""

import numpy as np

from inference.heads.base import Detections, Family, HeadOptions, Outputs, Usual, picked
from inference.heads.classification import probabilities, ranked
from inference.signature import Signature
from inference.tensors import Preprocess

_BOX_ROLES = ("bboxes", "linecrossing_bboxes", "licenseplate_bboxes", "barcode_bboxes", "color_bboxes")


class NxBoxes(Usual):
    """`[N, 6]` or `[1, N, 6]`: x1, y1, x2, y2, score, class id; coordinates in tensor pixels."""

    name = "nx_bboxes"
    family: Family = "objects"

    def knows(self, signature: Signature) -> bool:
        return any(
            spec.role in _BOX_ROLES and len(spec.shape) in (2, 3) and spec.shape[-1] == 6 for spec in signature.outputs
        )

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        name = next(name for name in outputs if name.split("-", 1)[0] in _BOX_ROLES)
        rows = np.asarray(outputs[name], np.float32).reshape(-1, 6)
        keep = np.flatnonzero(rows[:, 4] > options.score)
        keep = keep[np.argsort(-rows[keep, 4], kind="stable")][: options.most]
        return picked(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), keep)


class NxScores(Usual):
    """`[1, classes]` or `[classes]`: the highest score wins."""

    name = "nx_scores"
    family: Family = "classes"

    def knows(self, signature: Signature) -> bool:
        return any(
            spec.role == "scores" and len(spec.shape) in (1, 2) and "-" in spec.name for spec in signature.outputs
        )

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        name = next(name for name in outputs if name.startswith("scores-"))
        return ranked(probabilities(np.asarray(outputs[name], np.float32).reshape(-1)), options)
