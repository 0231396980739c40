"""Small TFLite files, written field by field as TensorFlow's `schema.fbs` numbers them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np

FORMS = {np.dtype("f4"): 0, np.dtype("f2"): 1, np.dtype("i4"): 2, np.dtype("u1"): 3}
Field = Callable[[flatbuffers.Builder, int], None]


def i8(value: int) -> Field:
    return lambda b, n: b.PrependInt8Slot(n, value, 0)


def i32(value: int) -> Field:
    return lambda b, n: b.PrependInt32Slot(n, value, 0)


def real(value: float) -> Field:
    return lambda b, n: b.PrependFloat32Slot(n, value, 0.0)


def ref(offset: int) -> Field:
    return lambda b, n: b.PrependUOffsetTRelativeSlot(n, offset, 0)


def table(b: flatbuffers.Builder, fields: dict[int, Field]) -> int:
    b.StartObject(max(fields, default=0) + 1)
    for number, put in fields.items():
        put(b, number)
    return int(b.EndObject())


def tables(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def numbers(b: flatbuffers.Builder, values: Sequence[int]) -> int:
    return int(b.CreateNumpyVector(np.array(values, np.int32)))


class File:
    """Tensors and operators as they are added; the first tensor is the picture."""

    def __init__(self, shape: Sequence[int], dtype: str = "f4") -> None:
        self.b = flatbuffers.Builder(1024)
        self.buffers = [table(self.b, {})]
        self.tensors: list[int] = []
        self.operators: list[int] = []
        self.codes: list[int] = []
        self.tensor("picture", shape, dtype)

    def tensor(self, name: str, shape: Sequence[int], dtype: str = "f4", buffer: int = 0) -> int:
        fields = {0: ref(numbers(self.b, shape)), 1: i8(FORMS[np.dtype(dtype)]), 2: i32(buffer)}
        self.tensors.append(table(self.b, {**fields, 3: ref(self.b.CreateString(name))}))
        return len(self.tensors) - 1

    def constant(self, value: np.ndarray[Any, Any]) -> int:
        data = self.b.CreateByteVector(value.tobytes())
        self.buffers.append(table(self.b, {0: ref(data)}))
        return self.tensor("constant", value.shape, value.dtype.str[1:], len(self.buffers) - 1)

    def op(self, code: int, inputs: Sequence[int], shape: Sequence[int], options: dict[int, Field]) -> int:
        output = self.tensor(f"out:{code}", shape)
        fields = {0: i32(len(self.codes)), 1: ref(numbers(self.b, inputs)), 2: ref(numbers(self.b, [output]))}
        self.operators.append(table(self.b, {**fields, 4: ref(table(self.b, options))}))
        self.codes.append(table(self.b, {0: i8(code), 3: i32(code)}))
        return output

    def data(self, output: int) -> bytes:
        b = self.b
        graph = {0: ref(tables(b, self.tensors)), 1: ref(numbers(b, [0])), 2: ref(numbers(b, [output]))}
        graph[3] = ref(tables(b, self.operators))
        subgraphs = tables(b, [table(b, graph)])
        parts = {1: ref(tables(b, self.codes)), 2: ref(subgraphs), 4: ref(tables(b, self.buffers))}
        b.Finish(table(b, parts), file_identifier=b"TFL3")
        return bytes(b.Output())


def classifier(kernel: np.ndarray[Any, Any], each: np.ndarray[Any, Any], dense: np.ndarray[Any, Any]) -> bytes:
    """Convolution (stride 2, ReLU6), depthwise convolution, mean, two scores: what a Teachable Machine is made of."""
    file = File([1, 8, 8, 3])
    channels = kernel.shape[0]
    bias = file.constant(np.linspace(-1, 1, channels, dtype=np.float32))
    halved = file.op(3, [0, file.constant(kernel), bias], [1, 4, 4, channels], {1: i32(2), 2: i32(2), 3: i8(3)})
    apart = file.op(4, [halved, file.constant(each), -1], [1, 4, 4, channels], {1: i32(1), 2: i32(1), 3: i32(1)})
    axes = file.constant(np.array([1, 2], np.int32))
    level = file.op(40, [apart, axes], [1, channels], {})
    scores = file.op(9, [level, file.constant(dense), -1], [1, 2], {})
    return file.data(file.op(25, [scores], [1, 2], {0: real(1.0)}))


def some_classifier(seed: int = 0) -> bytes:
    """One with weights of chance."""
    draw = np.random.default_rng(seed)
    shapes = ((4, 3, 3, 3), (1, 3, 3, 4), (2, 4))
    kernel, each, dense = (draw.normal(size=shape).astype(np.float32) for shape in shapes)
    return classifier(kernel, each, dense)


def packed(**files: bytes) -> bytes:
    """An archive; `__` in a name stands for a dot."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return held.getvalue()
