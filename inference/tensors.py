"""Pictures to tensors: which size, which order, which scale, and how to find the way back. Pure."""

from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.signature import Signature, TensorSpec

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Order = Literal["rgb", "bgr", "grey"]
Layout = Literal["nchw", "nhwc"]
Fitting = Literal["letterbox", "stretch"]

_PADDING = 114.0
"""Grey of the letterbox bars, 0 to 255: what YOLO models were trained with."""


class Picture(Protocol):
    """A frame or an image that can give its pixels in a size: [height, width, 3], grey [height, width]."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    def pixels(self, width: int, height: int, order: str = "bgr") -> Pixels: ...


@dataclass(frozen=True, slots=True)
class Still:
    """A picture held as an array, BGR [h, w, 3]."""

    bgr: Pixels

    @property
    def width(self) -> int:
        return int(self.bgr.shape[1])

    @property
    def height(self) -> int:
        return int(self.bgr.shape[0])

    def pixels(self, width: int, height: int, order: str = "bgr") -> Pixels:
        shrinks = width < self.width
        scaled = cv2.resize(self.bgr, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        if order == "bgr":
            return np.asarray(scaled, np.uint8)
        code = cv2.COLOR_BGR2RGB if order == "rgb" else cv2.COLOR_BGR2GRAY
        return np.asarray(cv2.cvtColor(scaled, code), np.uint8)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a picture becomes the model's input: (pixel - mean) / divisor, pixel 0 to 255."""

    width: int
    height: int
    layout: Layout = "nchw"
    order: Order = "rgb"
    means: tuple[float, ...] = (0.0, 0.0, 0.0)
    divisors: tuple[float, ...] = (255.0, 255.0, 255.0)
    fitting: Fitting = "letterbox"

    @property
    def channels(self) -> int:
        return 1 if self.order == "grey" else 3


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the picture lies in the tensor: tensor x = picture x * scale_x + left, in pixels."""

    scale_x: float
    scale_y: float
    left: int
    top: int
    width: int
    """Width of the picture itself, to clip to."""
    height: int

    def back(self, boxes: Floats) -> Floats:
        """Boxes [n, 4] (x1, y1, x2, y2) in tensor pixels to fractions 0..1 of the picture."""
        offset = np.array([self.left, self.top] * 2, np.float32)
        span = np.array([self.scale_x * self.width, self.scale_y * self.height] * 2, np.float32)
        return np.asarray(np.clip((boxes - offset) / span, 0.0, 1.0), np.float32)


def fit(width: int, height: int, pre: Preprocess) -> Fit:
    """Places a picture of the given size into the tensor."""
    if pre.fitting == "stretch":
        return Fit(pre.width / width, pre.height / height, 0, 0, width, height)
    scale = min(pre.width / width, pre.height / height)
    inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (pre.width - inner_w) // 2, (pre.height - inner_h) // 2
    return Fit(inner_w / width, inner_h / height, left, top, width, height)


def tensor(picture: Picture, pre: Preprocess) -> tuple[Floats, Fit]:
    """The model's input, batch of one: [1, C, H, W] or [1, H, W, C] float32, and the way back."""
    place = fit(picture.width, picture.height, pre)
    inner_w, inner_h = round(picture.width * place.scale_x), round(picture.height * place.scale_y)
    pixels = picture.pixels(inner_w, inner_h, pre.order).reshape(inner_h, inner_w, pre.channels)
    means, divisors = np.array(pre.means, np.float32), np.array(pre.divisors, np.float32)
    canvas = np.empty((pre.height, pre.width, pre.channels), np.float32)
    if (inner_w, inner_h) != (pre.width, pre.height):
        canvas[:] = (np.float32(_PADDING) - means) / divisors
    inner = canvas[place.top : place.top + inner_h, place.left : place.left + inner_w]
    np.subtract(pixels, means, out=inner)
    np.divide(inner, divisors, out=inner)
    laid = canvas.transpose(2, 0, 1) if pre.layout == "nchw" else canvas
    return np.ascontiguousarray(laid[None]), place


def preprocess_of(signature: Signature, spec: TensorSpec, fallback: int = 640) -> Preprocess:
    """How to feed a model that says nothing but its shapes and, if at all, its normalisation.

    Means and divisors stand in 0..255 units when any of them is larger than 2, else in 0..1 units; without them
    pixels go in as 0..1. The metadata `channels` may say `bgr`, `resize` may say `stretch`.
    """
    layout, channels, height, width = geometry(spec.shape, fallback)
    order: Order = "grey" if channels == 1 else "bgr" if signature.metadata.get("channels") == "bgr" else "rgb"
    given = signature.normalisation
    means, divisors = given if given and len(given[0]) == channels else ((0.0,) * channels, (1.0,) * channels)
    unit = 1.0 if max(map(abs, (*means, *divisors))) > 2 else 255.0
    return Preprocess(
        width=width,
        height=height,
        layout=layout,
        order=order,
        means=tuple(mean * unit for mean in means),
        divisors=tuple(divisor * unit for divisor in divisors),
        fitting="stretch" if signature.metadata.get("resize") == "stretch" else "letterbox",
    )


def geometry(shape: tuple[int | str | None, ...], fallback: int = 640) -> tuple[Layout, int, int, int]:
    """Layout, channels, height and width of an image input of rank 4; dynamic sides become `fallback`."""
    if len(shape) != 4:
        raise ValueError(f"an image input has four dimensions, not {len(shape)}")
    if shape[1] in (1, 3):
        layout, channels, sides = "nchw", shape[1], shape[2:]
    elif shape[3] in (1, 3):
        layout, channels, sides = "nhwc", shape[3], shape[1:3]
    else:
        raise ValueError("an image input has 1 or 3 channels")
    height, width = (side if isinstance(side, int) and side > 0 else fallback for side in sides)
    return ("nchw" if layout == "nchw" else "nhwc"), int(channels or 3), height, width
