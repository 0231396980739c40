"""One handler an operator: TensorFlow node in, ONNX nodes out. TensorFlow is channels-last, ONNX channels-first.

Operator meanings: the TensorFlow raw_ops reference; the ONNX operator reference, opset 17.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from inference.importers.tfjs_graph import Array, Builder, ImportRefused, Node

Handler = Callable[[Builder, Node], object]
_FAR = 2**31 - 1
"""An end that no axis reaches."""


def emit(builder: Builder, node: Node) -> None:
    """Adds what the node does to the graph; its output carries the node's name."""
    handler = HANDLERS.get(node.op)
    if handler is None:
        raise ImportRefused(f"operator {node.op} ({node.name}) is not known")
    handler(builder, node)


def _plain(op: str) -> Handler:
    """An operator that means the same in both."""
    return lambda b, n: b.add(op, n.inputs, n.name)


def _floor_division(b: Builder, n: Node) -> None:
    """ONNX divides integers that way already; floats need the floor."""
    if n.attributes.get("T", {}).get("type") == "DT_FLOAT":
        b.add("Floor", [b.add("Div", n.inputs)], n.name)
    else:
        b.add("Div", n.inputs, n.name)


def _const(b: Builder, n: Node) -> None:
    b.constants[n.name] = b.weights[n.name]


def _placeholder(b: Builder, n: Node) -> None:
    dims = n.attributes["shape"]["shape"].get("dim", [])
    sizes = [int(dim["size"]) for dim in dims]
    shape = [size if size > 0 else f"d{axis}" for axis, size in enumerate(sizes)]
    b.inputs.append(helper.make_tensor_value_info(n.name, TensorProto.FLOAT, shape))


def _zeros(b: Builder, n: Node) -> None:
    """SparseToDense, as converters leave it behind: empty paddings, all zero."""
    b.constants[n.name] = np.zeros(b.weight(n, 1).tolist(), np.int32)


def _clip6(b: Builder, source: str, output: str | None = None) -> str:
    return b.add("Clip", [source, b.constant(np.float32(0)), b.constant(np.float32(6))], output)


def _windows(n: Node) -> dict[str, Any]:
    """Padding, in ONNX's words, of a convolution or a pool (NHWC)."""
    padding = n.text("padding")
    if padding == "EXPLICIT":
        edges = n.numbers("explicit_paddings")
        return {"pads": [edges[2], edges[4], edges[3], edges[5]]}
    return {"auto_pad": "SAME_UPPER" if padding == "SAME" else "VALID"}


def _convolution(b: Builder, n: Node) -> None:
    """Weights [h, w, in, out]; depthwise ones [h, w, in, multiplier] become a grouped convolution."""
    weights = b.weight(n, 1)
    if "Depthwise" in n.op:
        height, width, groups, multiplier = weights.shape
        kernel = weights.transpose(2, 3, 0, 1).reshape(groups * multiplier, 1, height, width)
    else:
        groups, kernel = 1, weights.transpose(3, 2, 0, 1)
    inputs = [b.channels_first(n.inputs[0]), b.constant(np.ascontiguousarray(kernel))]
    if "BiasAdd" in n.words("fused_ops"):
        inputs.append(b.constant(b.weight(n, 2).reshape(-1)))
    strides, dilations = n.numbers("strides")[1:3], (n.numbers("dilations") or [1] * 4)[1:3]
    made = b.add("Conv", inputs, strides=strides, dilations=dilations, group=groups, **_windows(n))
    b.channels_last(_activated(b, n, made, channels_first=True), n.name)


def _transposed_convolution(b: Builder, n: Node) -> None:
    """Conv2DBackpropInput: sizes, weights [h, w, out, in], input."""
    if n.text("padding") == "EXPLICIT":
        raise ImportRefused(f"{n.op} {n.name}: explicit padding")
    height, width = (int(side) for side in b.weight(n, 0)[1:3])
    kernel = b.constant(np.ascontiguousarray(b.weight(n, 1).transpose(3, 2, 0, 1)))
    strides, auto = n.numbers("strides")[1:3], _windows(n)["auto_pad"]
    made = b.add(
        "ConvTranspose",
        [b.channels_first(n.inputs[2]), kernel],
        strides=strides,
        auto_pad=auto,
        output_shape=[height, width],
    )
    b.channels_last(made, n.name)


def _activated(b: Builder, n: Node, source: str, *, channels_first: bool) -> str:
    """What a fused operator does after its sum, in order."""
    for word in n.words("fused_ops"):
        if word == "BiasAdd":
            continue
        if word == "Relu6":
            source = _clip6(b, source)
        elif word == "Prelu":
            slope = b.weight(n, 3)
            source = b.add("PRelu", [source, b.constant(slope.reshape(-1, 1, 1) if channels_first else slope)])
        elif word == "LeakyRelu":
            source = b.add("LeakyRelu", [source], alpha=n.real("leakyrelu_alpha", 0.2))
        elif word in ("Relu", "Sigmoid", "Elu", "Tanh"):
            source = b.add(word, [source])
        else:
            raise ImportRefused(f"{n.op} {n.name}: fused {word} is not known")
    return source


def _matmul(b: Builder, n: Node) -> None:
    if n.flag("transpose_a"):
        raise ImportRefused(f"{n.op} {n.name}: transpose_a")
    right = n.inputs[1]
    if n.flag("transpose_b"):
        right = b.constant(np.ascontiguousarray(b.weight(n, 1).T))
    made = b.add("MatMul", [n.inputs[0], right])
    if "BiasAdd" in n.words("fused_ops"):
        made = b.add("Add", [made, n.inputs[2]])
    b.add("Identity", [_activated(b, n, made, channels_first=False)], n.name)


def _pad(b: Builder, n: Node) -> None:
    value: Array | np.float32 = b.weight(n, 2).astype(np.float32) if n.op == "PadV2" else np.float32(0)
    edges = _known(b, n.inputs[1]).T.reshape(-1).astype(np.int64)
    b.add("Pad", [n.inputs[0], b.constant(edges), b.constant(value)], n.name)


def _known(b: Builder, name: str) -> Array:
    """A constant, whether from the file or made by a handler."""
    found = b.weights.get(name, b.constants.get(name))
    if found is None:
        raise ImportRefused(f"{name} is not a constant")
    return found


def _pool(op: str) -> Handler:
    def handle(b: Builder, n: Node) -> None:
        sizes, strides = n.numbers("ksize")[1:3], n.numbers("strides")[1:3]
        source = b.channels_first(n.inputs[0])
        b.channels_last(b.add(op, [source], kernel_shape=sizes, strides=strides, **_windows(n)), n.name)

    return handle


def _reduce(op: str) -> Handler:
    def handle(b: Builder, n: Node) -> None:
        axes, keep = b.weight(n, 1).reshape(-1).astype(np.int64), int(n.flag("keep_dims"))
        if op == "ReduceSum":
            b.add(op, [n.inputs[0], b.constant(axes)], n.name, keepdims=keep)
        else:
            b.add(op, [n.inputs[0]], n.name, axes=axes.tolist(), keepdims=keep)

    return handle


def _resize(mode: str) -> Handler:
    def handle(b: Builder, n: Node) -> None:
        if n.flag("align_corners"):
            where = "align_corners"
        else:
            where = "half_pixel" if n.flag("half_pixel_centers") else "asymmetric"
        source = b.channels_first(n.inputs[0])
        head = b.add("Slice", [b.add("Shape", [source]), b.constant([0]), b.constant([2])])
        sizes = b.add("Concat", [head, b.constant(b.weight(n, 1).astype(np.int64))], axis=0)
        extra = {"nearest_mode": "floor"} if mode == "nearest" else {}
        made = b.add("Resize", [source, "", "", sizes], mode=mode, coordinate_transformation_mode=where, **extra)
        b.channels_last(made, n.name)

    return handle


def _reshape(b: Builder, n: Node) -> None:
    """A constant shape goes in as int64, so that shape inference sees it; a computed one through a cast."""
    if n.inputs[1] in b.weights:
        shape = b.constant(b.weight(n, 1).astype(np.int64))
    else:
        shape = b.add("Cast", [n.inputs[1]], to=TensorProto.INT64)
    b.add("Reshape", [n.inputs[0], shape], n.name)


def _split(b: Builder, n: Node) -> None:
    sizes, axis = b.weight(n, 1).astype(np.int64), int(b.weight(n, 2))
    outputs = [n.name, *(f"{n.name}:{number}" for number in range(1, len(sizes)))]
    b.add_many("Split", [n.inputs[0], b.constant(sizes)], outputs, axis=axis)


def _squeeze(b: Builder, n: Node) -> None:
    axes = n.numbers("squeeze_dims")
    b.add("Squeeze", [n.inputs[0], *([b.constant(axes)] if axes else [])], n.name)


def _pack(b: Builder, n: Node) -> None:
    axis = n.number("axis")
    parts = [b.add("Unsqueeze", [name, b.constant([axis])]) for name in n.inputs]
    b.add("Concat", parts, n.name, axis=axis)


def _depth_to_space(b: Builder, n: Node) -> None:
    source = b.channels_first(n.inputs[0])
    b.channels_last(b.add("DepthToSpace", [source], blocksize=n.number("block_size"), mode="DCR"), n.name)


def _top(b: Builder, n: Node) -> None:
    count = b.constant(b.weight(n, 1).reshape(-1).astype(np.int64))
    places = b.fresh("places")
    b.add_many("TopK", [n.inputs[0], count], [n.name, places])
    b.add("Cast", [places], f"{n.name}:1", to=TensorProto.INT32)


_CASTS = {"DT_FLOAT": TensorProto.FLOAT, "DT_INT32": TensorProto.INT32, "DT_BOOL": TensorProto.BOOL}


def _cast(b: Builder, n: Node) -> None:
    kind = n.attributes["DstT"]["type"]
    if kind not in _CASTS:
        raise ImportRefused(f"Cast {n.name} to {kind}")
    b.add("Cast", n.inputs, n.name, to=_CASTS[kind])


def _slice(b: Builder, n: Node) -> None:
    """StridedSlice with constant bounds; its masks say which bounds are open and which axes go away."""
    if n.number("new_axis_mask") or n.number("ellipsis_mask"):
        raise ImportRefused(f"StridedSlice {n.name}: new axis or ellipsis")
    begin, end, steps = (b.weight(n, position).tolist() for position in (1, 2, 3))
    gone = [axis for axis in range(len(begin)) if n.number("shrink_axis_mask") >> axis & 1]
    for axis in range(len(begin)):
        if n.number("begin_mask") >> axis & 1:
            begin[axis] = 0
        if axis in gone:
            end[axis] = begin[axis] + 1 if begin[axis] != -1 else _FAR
        elif n.number("end_mask") >> axis & 1:
            end[axis] = _FAR
    bounds = [b.constant(part) for part in (begin, end, list(range(len(begin))), steps)]
    made = b.add("Slice", [n.inputs[0], *bounds], None if gone else n.name)
    if gone:
        b.add("Squeeze", [made, b.constant(gone)], n.name)


HANDLERS: dict[str, Handler] = {
    **{op: _plain(op) for op in ("Add", "Mul", "Sub", "Relu", "Sigmoid", "Identity", "Equal", "Greater", "Less")},
    **{op: _plain(op) for op in ("Tanh", "Abs", "Neg", "Exp", "Log", "Sqrt", "Pow", "Reciprocal", "Elu", "Floor")},
    "AddV2": _plain("Add"),
    "AddN": _plain("Sum"),
    "BiasAdd": _plain("Add"),
    "RealDiv": _plain("Div"),
    "FloorDiv": _floor_division,
    "FloorMod": _plain("Mod"),
    "Maximum": _plain("Max"),
    "Minimum": _plain("Min"),
    "Const": _const,
    "Placeholder": _placeholder,
    "SparseToDense": _zeros,
    "Relu6": lambda b, n: _clip6(b, n.inputs[0], n.name),
    "Prelu": lambda b, n: b.add("PRelu", n.inputs, n.name),
    "LeakyRelu": lambda b, n: b.add("LeakyRelu", n.inputs, n.name, alpha=n.real("alpha", 0.2)),
    "Softmax": lambda b, n: b.add("Softmax", n.inputs, n.name, axis=-1),
    "Square": lambda b, n: b.add("Mul", [n.inputs[0]] * 2, n.name),
    "Rsqrt": lambda b, n: b.add("Reciprocal", [b.add("Sqrt", n.inputs)], n.name),
    **dict.fromkeys(("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"), _convolution),
    "Conv2DBackpropInput": _transposed_convolution,
    **dict.fromkeys(("MatMul", "_FusedMatMul", "BatchMatMulV2"), _matmul),
    "Transpose": lambda b, n: b.add("Transpose", [n.inputs[0]], n.name, perm=b.weight(n, 1).tolist()),
    **dict.fromkeys(("Pad", "PadV2"), _pad),
    "MaxPool": _pool("MaxPool"),
    "AvgPool": _pool("AveragePool"),
    "Mean": _reduce("ReduceMean"),
    "Sum": _reduce("ReduceSum"),
    "Max": _reduce("ReduceMax"),
    "Min": _reduce("ReduceMin"),
    "ResizeBilinear": _resize("linear"),
    "ResizeNearestNeighbor": _resize("nearest"),
    "SplitV": _split,
    "Squeeze": _squeeze,
    "Shape": lambda b, n: b.add("Cast", [b.add("Shape", n.inputs)], n.name, to=TensorProto.INT32),
    "Pack": _pack,
    "DepthToSpace": _depth_to_space,
    "ConcatV2": lambda b, n: b.add("Concat", n.inputs[:-1], n.name, axis=int(b.weight(n, len(n.inputs) - 1))),
    "Reshape": _reshape,
    "Cast": _cast,
    "ExpandDims": lambda b, n: b.add(
        "Unsqueeze", [n.inputs[0], b.constant(b.weight(n, 1).reshape(-1).astype(np.int64))], n.name
    ),
    "TopKV2": _top,
    "GatherV2": lambda b, n: b.add("Gather", n.inputs[:2], n.name, axis=int(b.weight(n, 2))),
    "StridedSlice": _slice,
}
