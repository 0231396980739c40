"""Classifiers: one row of numbers, a class each. Pure."""

from dataclasses import replace

import numpy as np

from inference.heads.base import Detections, Family, Floats, HeadOptions, Outputs, Usual, only
from inference.signature import Signature
from inference.tensors import Preprocess


class Classification(Usual):
    """[1, classes] or [classes]; numbers that are no probabilities go through a softmax first."""

    name = "classification"
    family: Family = "classes"

    def knows(self, signature: Signature) -> bool:
        if len(signature.outputs) != 1 or not signature.outputs[0].dtype.startswith("float"):
            return False
        shape, image = signature.outputs[0].shape, signature.image
        one_row = len(shape) == 1 or (len(shape) == 2 and (shape[0] == 1 or (image and shape[0] == image.shape[0])))
        return bool(one_row) and isinstance(shape[-1], int) and shape[-1] >= 2

    def preprocess(self, signature: Signature) -> Preprocess:
        return replace(super().preprocess(signature), fitting="stretch")

    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections:
        return ranked(probabilities(only(outputs).reshape(-1)), options)


def probabilities(row: Floats) -> Floats:
    """[classes]: as it is when all lie in 0..1 and add up to 1, else its softmax."""
    if row.min() >= 0 and abs(float(row.sum()) - 1) < 0.01:
        return row
    powers = np.exp(row - row.max())
    return np.asarray(powers / powers.sum(), np.float32)


def ranked(row: Floats, options: HeadOptions) -> Detections:
    """Classes above the score, best first, without boxes."""
    order = np.argsort(-row, kind="stable")
    keep = order[row[order] >= options.score][: options.most].astype(np.int64)
    return Detections(np.empty((0, 4), np.float32), np.asarray(row[keep], np.float32), keep)
