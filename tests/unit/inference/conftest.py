"""Small films and models, made on the spot."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import av
import numpy as np
import onnx
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Film = Callable[..., Path]
SIZE = (96, 64)
"""Width and height of the films."""


def grey(level: float) -> NDArray[np.uint8]:
    """A plain picture, RGB [64, 96, 3]; level 0 to 1."""
    return np.full((SIZE[1], SIZE[0], 3), round(level * 255), np.uint8)


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """Writes pictures as an H.264 film; `key` is the distance of key frames."""

    def make(
        pictures: Sequence[NDArray[np.uint8]],
        fps: int = 10,
        key: int = 10,
        name: str = "film.mp4",
        codec: str = "libx264",
    ) -> Path:
        path = tmp_path / name
        options = {"preset": "ultrafast", "crf": "10", "g": str(key), "keyint_min": str(key), "sc_threshold": "0"}
        with av.open(str(path), "w") as container:
            stream = cast(VideoStream, container.add_stream(codec, rate=fps, options=options))
            stream.width, stream.height, stream.pix_fmt = SIZE[0], SIZE[1], "yuv420p"
            stream.thread_count = 1
            for picture in pictures:
                container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def shades() -> Callable[[Sequence[tuple[float, int]]], list[NDArray[np.uint8]]]:
    """Plain pictures from (level, count) pairs."""
    return lambda runs: [grey(level) for level, count in runs for _ in range(count)]


@pytest.fixture
def mean_model() -> bytes:
    """Gives the mean of each channel of a free batch: [n, 3, 8, 8] to [n, 3]."""
    given = helper.make_tensor_value_info("image-", TensorProto.FLOAT, ["n", 3, 8, 8])
    taken = helper.make_tensor_value_info("scores-0:red;1:green;2:blue", TensorProto.FLOAT, ["n", 3])
    node = helper.make_node("ReduceMean", ["image-"], [taken.name], axes=[2, 3], keepdims=0)
    graph = helper.make_graph([node], "mean", [given], [taken])
    return bytes(_model(graph).SerializeToString())


def _model(graph: onnx.GraphProto, opset: int = 17) -> onnx.ModelProto:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def boxes_model() -> Callable[..., onnx.ModelProto]:
    """A model that gives constant boxes by the Nx names, with parts that a test may spoil."""

    def make(
        output: str = "bboxes-format:xyxysc;0:person;1:bike",
        shape: tuple[int | str, ...] = (1, 3, 32, 32),
        opset: int = 17,
        rows: Sequence[Sequence[float]] = ((4, 4, 12, 28, 0.9, 0), (16, 8, 30, 30, 0.7, 1)),
    ) -> onnx.ModelProto:
        table = np.array(rows, np.float32)
        given = helper.make_tensor_value_info("image-", TensorProto.FLOAT, shape)
        taken = helper.make_tensor_value_info(output, TensorProto.FLOAT, table.shape)
        nodes = [
            helper.make_node("ReduceMax", ["image-"], ["most"], keepdims=0),
            helper.make_node("Mul", ["most", "zero"], ["nothing"]),
            helper.make_node("Add", ["rows", "nothing"], [output]),
        ]
        weights = [numpy_helper.from_array(table, "rows"), numpy_helper.from_array(np.array(0, np.float32), "zero")]
        return _model(helper.make_graph(nodes, "boxes", [given], [taken], weights), opset)

    return make
