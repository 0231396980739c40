"""TensorFlow.js graphs as they are read, and ONNX graphs as they grow."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

Array = NDArray[Any]


class ImportRefused(Exception):
    """The graph cannot be converted; the message names the operator or the part that is in the way."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the TensorFlow graph; `inputs` without control edges and without `:0`."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]

    def text(self, key: str) -> str:
        return base64.b64decode(self.attributes[key]["s"]).decode()

    def number(self, key: str, default: int = 0) -> int:
        return int(self.attributes.get(key, {}).get("i", default))

    def real(self, key: str, default: float = 0.0) -> float:
        return float(self.attributes.get(key, {}).get("f", default))

    def flag(self, key: str) -> bool:
        return bool(self.attributes.get(key, {}).get("b", False))

    def numbers(self, key: str) -> list[int]:
        return [int(value) for value in self.attributes.get(key, {}).get("list", {}).get("i", [])]

    def words(self, key: str) -> list[str]:
        return [base64.b64decode(word).decode() for word in self.attributes.get(key, {}).get("list", {}).get("s", [])]


@dataclass(slots=True)
class Builder:
    """The ONNX graph as it grows; `weights` are the constants of the TensorFlow graph, by node name."""

    weights: Mapping[str, Array]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    _count: int = 0

    def fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    def constant(self, value: Array | Sequence[int] | np.generic) -> str:
        """A new constant; plain sequences become int64."""
        name = self.fresh("const")
        self.constants[name] = np.asarray(value, None if isinstance(value, np.ndarray | np.generic) else np.int64)
        return name

    def add(self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """A node with one output; gives the output's name."""
        return self.add_many(op, inputs, [output or self.fresh(op)], **attributes)[0]

    def add_many(self, op: str, inputs: Sequence[str], outputs: list[str], **attributes: Any) -> list[str]:
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name=f"{op}_{len(self.nodes)}", **attributes))
        return outputs

    def weight(self, node: Node, position: int) -> Array:
        """The constant at an input; refuses an input that is computed."""
        name = node.inputs[position]
        if name not in self.weights:
            raise ImportRefused(f"{node.op} {node.name}: input {position} is not a constant")
        return self.weights[name]

    def channels_first(self, name: str) -> str:
        return self.add("Transpose", [name], perm=[0, 3, 1, 2])

    def channels_last(self, name: str, output: str) -> str:
        return self.add("Transpose", [name], output, perm=[0, 2, 3, 1])
