"""A model and its head together: pictures in, findings out."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inference.engine import Engine, Model, ModelError
from inference.found import Found
from inference.heads import Detections, HeadOptions, head_of
from inference.tensors import Fit, Picture, tensor


class Pending:
    """A picture on its way through the engine."""

    def __init__(self, future: "Future[dict[str, NDArray[Any]]]", read: Callable[[Any], tuple[Found, ...]]) -> None:
        self._future = future
        self._read = read

    def result(self) -> tuple[Found, ...]:
        """Waits for the engine and reads the findings, best first."""
        return self._read(self._future.result())


class Detector:
    """A loaded model that finds things in pictures."""

    def __init__(self, model: Model, options: HeadOptions | None = None, labels: tuple[str, ...] = ()) -> None:
        head = head_of(model.signature)
        if head is None:
            raise ModelError("no head knows the outputs of this model")
        self.model = model
        self.head = head
        self.version = model.digest
        self.options = options or HeadOptions()
        self.labels = labels or head.labels(model.signature)
        self._pre = head.preprocess(model.signature)

    @classmethod
    def load(cls, engine: Engine, digest: str, fetch: Callable[[], bytes], options: HeadOptions | None = None) -> Self:
        """The detector for the model with this digest; `fetch` gets its bytes if it is not loaded yet."""
        return cls(engine.load(digest, fetch), options)

    def submit(self, picture: Picture) -> Pending:
        """Prepares the picture here and hands it to the engine."""
        fed, place = tensor(picture, self._pre)
        extras = {"nms_sensitivity": np.full((1,), self.options.score, np.float32)}
        future = self.model.submit(fed, extras)
        return Pending(future, lambda outputs: self._found(self.head.decode(outputs, self._pre, self.options), place))

    def find(self, picture: Picture) -> tuple[Found, ...]:
        """`submit`, and wait."""
        return self.submit(picture).result()

    def _found(self, detections: Detections, place: Fit) -> tuple[Found, ...]:
        if not len(detections.boxes):
            return tuple(
                Found(self.label(int(number)), float(score), 0.0, 0.0, 1.0, 1.0)
                for number, score in zip(detections.classes, detections.scores, strict=True)
            )
        boxes = place.back(detections.boxes)
        return tuple(
            Found(self.label(int(number)), float(score), float(x1), float(y1), float(x2 - x1), float(y2 - y1))
            for (x1, y1, x2, y2), score, number in zip(boxes, detections.scores, detections.classes, strict=True)
            if x2 > x1 and y2 > y1
        )

    def label(self, number: int) -> str:
        """The class's name, or its number when the model does not say."""
        return self.labels[number] if 0 <= number < len(self.labels) else str(number)
