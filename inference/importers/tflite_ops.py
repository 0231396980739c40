"""One handler an operator: TFLite in, ONNX out. TFLite is channels-last, ONNX channels-first.

Operator meanings and option fields: TensorFlow's `schema.fbs`; the ONNX operator reference, opset 17.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from inference.importers.flat import Table
from inference.importers.tfjs_graph import Array, Builder, ImportRefused

PADDING = ("SAME_UPPER", "VALID")
RELU, RELU6 = 1, 3
_NOTHING = Table(b"\x04\x00\x00\x00\x04\x00\x04\x00\x04\x00\x00\x00", 8)
"""Options that say nothing: every field has its default."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operator; a missing input is empty."""

    code: int
    inputs: tuple[str, ...]
    output: str
    given: Table | None

    @property
    def options(self) -> Table:
        return self.given or _NOTHING


def weight(b: Builder, op: Op, position: int) -> Array:
    """The constant at an input; refuses one that is computed."""
    name = op.inputs[position] if position < len(op.inputs) else ""
    if name not in b.weights:
        raise ImportRefused(f"operator {op.code}: input {position} is not a constant")
    return b.weights[name]


def value(b: Builder, op: Op, position: int) -> str:
    """An input's name, of a constant made if it is one."""
    name = op.inputs[position]
    return b.constant(b.weights[name]) if name in b.weights else name


def activated(b: Builder, name: str, kind: int, output: str) -> None:
    """The activation that is fused into an operator."""
    if kind not in (0, RELU, RELU6):
        raise ImportRefused(f"fused activation {kind} cannot be converted")
    if kind == RELU6:
        b.add("Clip", [name, b.constant(np.float32(0)), b.constant(np.float32(6))], output)
    else:
        b.add("Relu" if kind == RELU else "Identity", [name], output)


def convolved(b: Builder, op: Op, kernel: Array, group: int, fused: int, dilation: tuple[int, int]) -> None:
    options = op.options
    inputs = [b.channels_first(value(b, op, 0)), b.constant(np.ascontiguousarray(kernel))]
    if len(op.inputs) > 2 and op.inputs[2]:
        inputs.append(value(b, op, 2))
    made = b.add(
        "Conv",
        inputs,
        auto_pad=PADDING[options.scalar(0, "<b")],
        strides=[options.scalar(2), options.scalar(1)],
        dilations=list(dilation),
        group=group,
    )
    activated(b, b.channels_last(made, b.fresh("last")), fused, op.output)


def conv(b: Builder, op: Op) -> None:
    dilation = op.options.scalar(5, default=1), op.options.scalar(4, default=1)
    convolved(b, op, weight(b, op, 1).transpose(0, 3, 1, 2), 1, op.options.scalar(3, "<b"), dilation)


def depthwise(b: Builder, op: Op) -> None:
    kernel = weight(b, op, 1).transpose(3, 0, 1, 2)
    dilation = op.options.scalar(6, default=1), op.options.scalar(5, default=1)
    group = kernel.shape[0] // max(op.options.scalar(3), 1)
    convolved(b, op, kernel, group, op.options.scalar(4, "<b"), dilation)


def pool(kind: str) -> Callable[[Builder, Op], None]:
    def emit(b: Builder, op: Op) -> None:
        options = op.options
        made = b.add(
            kind,
            [b.channels_first(value(b, op, 0))],
            auto_pad=PADDING[options.scalar(0, "<b")],
            strides=[options.scalar(2), options.scalar(1)],
            kernel_shape=[options.scalar(4), options.scalar(3)],
        )
        activated(b, b.channels_last(made, b.fresh("last")), options.scalar(5, "<b"), op.output)

    return emit


def dense(b: Builder, op: Op) -> None:
    kernel = weight(b, op, 1)
    flat = b.add("Reshape", [value(b, op, 0), b.constant([-1, kernel.shape[1]])])
    made = b.add("MatMul", [flat, b.constant(np.ascontiguousarray(kernel.T))])
    if len(op.inputs) > 2 and op.inputs[2]:
        made = b.add("Add", [made, value(b, op, 2)])
    activated(b, made, op.options.scalar(0, "<b"), op.output)


def pairwise(kind: str) -> Callable[[Builder, Op], None]:
    def emit(b: Builder, op: Op) -> None:
        made = b.add(kind, [value(b, op, 0), value(b, op, 1)])
        activated(b, made, op.options.scalar(0, "<b"), op.output)

    return emit


def plain(kind: str) -> Callable[[Builder, Op], None]:
    def emit(b: Builder, op: Op) -> None:
        b.add(kind, [value(b, op, 0)], op.output)

    return emit


def softmax(b: Builder, op: Op) -> None:
    scaled = b.add("Mul", [value(b, op, 0), b.constant(np.float32(op.options.real(0, 1.0)))])
    b.add("Softmax", [scaled], op.output, axis=-1)


def reshape(b: Builder, op: Op) -> None:
    shape = weight(b, op, 1) if len(op.inputs) > 1 and op.inputs[1] else np.array(op.options.numbers(0))
    b.add("Reshape", [value(b, op, 0), b.constant(shape.astype(np.int64))], op.output)


def pad(b: Builder, op: Op) -> None:
    around = weight(b, op, 1).astype(np.int64)
    b.add("Pad", [value(b, op, 0), b.constant(np.concatenate([around[:, 0], around[:, 1]]))], op.output)


def mean(b: Builder, op: Op) -> None:
    axes = [int(axis) for axis in weight(b, op, 1).reshape(-1)]
    b.add("ReduceMean", [value(b, op, 0)], op.output, axes=axes, keepdims=op.options.scalar(0, "<b"))


def joined(b: Builder, op: Op) -> None:
    made = b.add("Concat", [value(b, op, n) for n in range(len(op.inputs))], axis=op.options.scalar(0))
    activated(b, made, op.options.scalar(1, "<b"), op.output)


def widened(b: Builder, op: Op) -> None:
    b.add("Identity", [b.constant(weight(b, op, 0).astype(np.float32))], op.output)


HANDLERS: Mapping[int, Callable[[Builder, Op], None]] = {
    0: pairwise("Add"),
    1: pool("AveragePool"),
    2: joined,
    3: conv,
    4: depthwise,
    6: widened,
    9: dense,
    14: plain("Sigmoid"),
    17: pool("MaxPool"),
    18: pairwise("Mul"),
    19: plain("Relu"),
    22: reshape,
    25: softmax,
    34: pad,
    40: mean,
    41: pairwise("Sub"),
}
"""By builtin code."""


def emit(b: Builder, op: Op) -> None:
    """Adds what the operator does to the graph."""
    if op.code not in HANDLERS:
        raise ImportRefused(f"operator {op.code} of TFLite cannot be converted")
    HANDLERS[op.code](b, op)
