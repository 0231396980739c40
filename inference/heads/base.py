"""What every head is and gives. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.signature import Shape, Signature
from inference.tensors import Preprocess, preprocess_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Outputs = Mapping[str, NDArray[Any]]
"""The outputs of one picture, by name, the batch axis kept (its length is 1)."""
Family = Literal["objects", "faces", "classes"]


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """What a caller may tune."""

    score: float = 0.4
    """Findings below this score are dropped, 0 to 1."""
    overlap: float = 0.5
    """Boxes of one class that overlap more than this are one, 0 to 1."""
    most: int = 300


@dataclass(frozen=True, slots=True)
class Detections:
    """Findings in one picture: boxes [n, 4] x1 y1 x2 y2 in tensor pixels, scores [n] 0..1, classes [n].

    A classifier gives no boxes but scores and classes, best first. Faces also have points [n, k, 2].
    """

    boxes: Floats
    scores: Floats
    classes: Ints
    points: Floats = field(default_factory=lambda: np.empty((0, 0, 2), np.float32))

    def __len__(self) -> int:
        return len(self.scores)


class Head(Protocol):
    """One way of reading a model's outputs."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> Family: ...
    def knows(self, signature: Signature) -> bool:
        """True when the outputs have this head's shapes or names."""
        ...

    def preprocess(self, signature: Signature) -> Preprocess: ...
    def labels(self, signature: Signature) -> tuple[str, ...]: ...
    def decode(self, outputs: Outputs, pre: Preprocess, options: HeadOptions) -> Detections: ...


class Usual:
    """What most heads do alike: the model's own labels and its own or the usual preprocessing."""

    def preprocess(self, signature: Signature) -> Preprocess:
        image = signature.image
        if image is None:
            raise ValueError("the model has no image input")
        return preprocess_of(signature, image)

    def labels(self, signature: Signature) -> tuple[str, ...]:
        return signature.labels


def is_shape(shape: Shape, *wanted: int | None) -> bool:
    """True when the shape has this rank and each wanted number where the model's dimension is static."""
    if len(shape) != len(wanted):
        return False
    return all(
        want is None or not isinstance(have, int) or have == want for have, want in zip(shape, wanted, strict=True)
    )


def only(values: Outputs) -> Floats:
    """The single output as float32."""
    return np.asarray(next(iter(values.values())), np.float32)


def picked(boxes: Floats, scores: Floats, classes: Ints, keep: NDArray[Any]) -> Detections:
    """The kept rows as detections in the usual types."""
    return Detections(
        np.asarray(boxes[keep], np.float32).reshape(-1, 4),
        np.asarray(scores[keep], np.float32).reshape(-1),
        np.asarray(classes[keep], np.int64).reshape(-1),
    )


def none_found() -> Detections:
    return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64))
