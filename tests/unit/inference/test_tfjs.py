"""TensorFlow.js graphs become ONNX graphs that compute the same."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from inference.importers.tfjs import convert, main, read_weights
from inference.importers.tfjs_graph import ImportRefused
from inference.importers.tfjs_ops import HANDLERS

Array = NDArray[Any]


def text(word: str) -> dict[str, Any]:
    return {"s": base64.b64encode(word.encode()).decode()}


def words(*many: str) -> dict[str, Any]:
    return {"list": {"s": [base64.b64encode(word.encode()).decode() for word in many]}}


def numbers(*many: int) -> dict[str, Any]:
    return {"list": {"i": [str(number) for number in many]}}


def node(name: str, op: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


class Graph:
    """Writes a graph model to disk and runs its conversion."""

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self.folder = folder
        dims = {"dim": [{"size": str(size)} for size in shape]}
        self.nodes = [node("x", "Placeholder", shape={"shape": dims})]
        self.weights: list[dict[str, Any]] = []
        self.raw = b""

    def const(self, name: str, values: Array, quantization: dict[str, Any] | None = None) -> str:
        dtype = str(values.dtype) if not quantization else "float32"
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": dtype}
        if quantization:
            entry["quantization"] = quantization
        self.weights.append(entry)
        self.raw += values.tobytes()
        self.nodes.append(node(name, "Const"))
        return name

    def add(self, *args: str, **attributes: Any) -> str:
        self.nodes.append(node(*args, **attributes))
        return args[0]

    def saved(self) -> Path:
        (self.folder / "one.bin").write_bytes(self.raw[:7])
        (self.folder / "two.bin").write_bytes(self.raw[7:])
        manifest = [{"paths": ["one.bin", "two.bin"], "weights": self.weights}]
        path = self.folder / "model.json"
        path.write_text(json.dumps({"modelTopology": {"node": self.nodes}, "weightsManifest": manifest}))
        return path

    def run(self, given: Array) -> Array:
        model = convert(self.saved()).SerializeToString()
        session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"x": given})[0])


RNG = np.random.default_rng(7)


def picture(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def test_a_convolution_with_bias_and_relu6(tmp_path: Path) -> None:
    graph, weights, bias = Graph(tmp_path, (1, 5, 5, 2)), picture(1, 1, 2, 3) * 5, picture(3)
    graph.add(
        "y",
        "_FusedConv2D",
        "x",
        graph.const("w", weights),
        graph.const("b", bias),
        padding=text("SAME"),
        strides=numbers(1, 1, 1, 1),
        dilations=numbers(1, 1, 1, 1),
        fused_ops=words("BiasAdd", "Relu6"),
    )
    given = picture(1, 5, 5, 2)
    assert graph.run(given) == pytest.approx(np.clip(given @ weights[0, 0] + bias, 0, 6), abs=1e-4)


def test_a_depthwise_convolution_keeps_its_channels(tmp_path: Path) -> None:
    graph, weights = Graph(tmp_path, (1, 4, 4, 2)), picture(2, 2, 2, 1)
    graph.add(
        "y",
        "DepthwiseConv2dNative",
        "x",
        graph.const("w", weights),
        padding=text("VALID"),
        strides=numbers(1, 2, 2, 1),
    )
    given = picture(1, 4, 4, 2)
    blocks = given.reshape(1, 2, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5)
    assert graph.run(given) == pytest.approx((blocks * weights[..., 0]).sum((3, 4)), abs=1e-4)


def test_matmul_pad_slice_and_reshape(tmp_path: Path) -> None:
    graph = Graph(tmp_path, (1, 2, 3))
    graph.add("p", "Pad", "x", graph.const("edges", np.array([[0, 0], [1, 0], [0, 1]], np.int32)))
    begin, end, steps = (
        graph.const(n, np.array(v, np.int32)) for n, v in (("b", [0, 1, 0]), ("e", [0, 3, 4]), ("s", [1, 1, 1]))
    )
    graph.add("c", "StridedSlice", "p", begin, end, steps, shrink_axis_mask={"i": "1"}, end_mask={"i": "0"})
    weights = picture(5, 4)
    graph.add("m", "_FusedMatMul", "c", graph.const("w", weights), transpose_b={"b": True}, fused_ops=words("Relu"))
    graph.add("y", "Reshape", "m", graph.const("shape", np.array([1, 10], np.int32)))
    given = picture(1, 2, 3)
    padded = np.pad(given, ((0, 0), (1, 0), (0, 1)))[0, 1:3]
    assert graph.run(given) == pytest.approx(np.maximum(padded @ weights.T, 0).reshape(1, 10), abs=1e-4)


@pytest.mark.parametrize(("op", "plain"), [("Mean", np.mean), ("Max", np.max), ("Sum", np.sum), ("Min", np.min)])
def test_reductions(tmp_path: Path, op: str, plain: Any) -> None:
    graph = Graph(tmp_path, (1, 3, 4, 2))
    graph.add("y", op, "x", graph.const("axes", np.array([1, 2], np.int32)), keep_dims={"b": False})
    given = picture(1, 3, 4, 2)
    assert graph.run(given) == pytest.approx(plain(given, axis=(1, 2)), abs=1e-5)


@pytest.mark.parametrize(
    ("op", "plain"),
    [
        ("Rsqrt", lambda x: 1 / np.sqrt(x)),
        ("Square", np.square),
        ("Relu6", lambda x: np.clip(x, 0, 6)),
        ("Sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("Softmax", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    ],
)
def test_single_operators(tmp_path: Path, op: str, plain: Any) -> None:
    graph = Graph(tmp_path, (1, 6))
    graph.add("y", op, "x")
    given = np.abs(picture(1, 6)) * 5 + 0.1
    assert graph.run(given) == pytest.approx(plain(given), rel=1e-4)


def test_bilinear_resize_and_pool(tmp_path: Path) -> None:
    graph = Graph(tmp_path, (1, 4, 4, 1))
    graph.add("p", "MaxPool", "x", ksize=numbers(1, 2, 2, 1), strides=numbers(1, 2, 2, 1), padding=text("VALID"))
    graph.add(
        "y", "ResizeBilinear", "p", graph.const("size", np.array([4, 4], np.int32)), half_pixel_centers={"b": True}
    )
    given = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    made = graph.run(given)[0, :, :, 0]
    assert made[0, 0] == 5
    assert made[3, 3] == 15
    assert made[0] == pytest.approx([5, 5.5, 6.5, 7])


def test_quantised_weights(tmp_path: Path) -> None:
    graph = Graph(tmp_path, (1, 4))
    half = graph.const("h", np.array([0.5, 1, 2, 4], np.float16), {"dtype": "float16"})
    byte = graph.const("q", np.array([0, 1, 2, 255], np.uint8), {"dtype": "uint8", "scale": 0.1, "min": -1.0})
    graph.add("s", "Add", half, byte)
    graph.add("y", "Mul", "x", "s")
    assert graph.run(np.ones((1, 4), np.float32))[0] == pytest.approx([-0.5, 0.1, 1.2, 28.5], abs=1e-5)


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    graph = Graph(tmp_path, (1, 6))
    graph.add("y", "Mul", "x", graph.const("w", picture(6)))
    source = graph.saved()
    for name in ("one.onnx", "two.onnx"):
        main([str(source), str(tmp_path / name), "--meta", "channels=bgr", "--doc", '{"means": [0], "vars": [1]}'])
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_what_cannot_be_converted_is_named(tmp_path: Path) -> None:
    graph = Graph(tmp_path, (1, 6))
    graph.add("y", "Quark", "x")
    with pytest.raises(ImportRefused, match="Quark"):
        convert(graph.saved())
    with pytest.raises(ImportRefused, match="no node 'z'"):
        convert(graph.saved(), ["z"])
    layers = tmp_path / "layers.json"
    layers.write_text('{"modelTopology": {"model_config": {}}, "weightsManifest": []}')
    with pytest.raises(ImportRefused, match="layers model"):
        convert(layers)


def test_weight_files_stay_in_their_folder(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="plain file name"):
        read_weights([{"paths": ["../secret.bin"], "weights": []}], tmp_path)
    (tmp_path / "w.bin").write_bytes(bytes(6))
    entry = {"name": "w", "shape": [2], "dtype": "float32"}
    with pytest.raises(ImportRefused, match="ends inside"):
        read_weights([{"paths": ["w.bin"], "weights": [entry]}], tmp_path)
    with pytest.raises(ImportRefused, match="left over"):
        read_weights([{"paths": ["w.bin"], "weights": [entry | {"shape": [1]}]}], tmp_path)


def test_every_handler_is_a_function() -> None:
    assert all(callable(handler) for handler in HANDLERS.values())
    assert len(HANDLERS) >= 60
