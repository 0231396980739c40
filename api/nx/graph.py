"""What a checked file says of a model: tensors, labels, how to feed it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from api.nx.wire import Json, TensorSpec

WORDS = {"float32": "FLOAT", "float64": "DOUBLE"}
"""Element types that ONNX spells otherwise than NumPy; the rest only in capitals."""
FREE = -1
"""Size of a dimension that is known only at run time."""


class File(Protocol):
    """What a check of the file found."""

    @property
    def inputs(self) -> list[dict[str, Any]]: ...
    @property
    def outputs(self) -> list[dict[str, Any]]: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def family(self) -> str | None: ...
    @property
    def means(self) -> list[float] | None: ...
    @property
    def vars(self) -> list[float] | None: ...


def described(file: File) -> Json:
    """The members of a model that are read from its file."""
    return {
        "named_input": tensors(file.inputs),
        "named_output": tensors(file.outputs),
        "labels": file.labels,
        "boxes": file.labels if file.family in ("objects", "faces") else [],
        "flags": list(flags(file.outputs)),
        "input_details": details(file),
    }


def tensors(specs: Iterable[dict[str, Any]]) -> list[Json]:
    return [
        {
            "name": spec["name"],
            "dtype": WORDS.get(spec["dtype"], spec["dtype"].upper()),
            "shape": [size if isinstance(size, int) else FREE for size in spec["shape"]],
        }
        for spec in specs
    ]


def flags(outputs: Iterable[dict[str, Any]]) -> Iterable[str]:
    """What a boolean output may say is so: its name, and each label in it."""
    for spec in outputs:
        if spec["dtype"] == "bool":
            role, _, pairs = spec["name"].partition("-")
            yield role
            yield from (pair.partition(":")[2] for pair in pairs.split(";") if ":" in pair)


def details(file: File) -> Json:
    """Layout and normalisation of the picture; `order` 0 is channels first."""
    image = next((s for s in file.inputs if s["name"].split("-", 1)[0] == "image"), None)
    image = image or next((s for s in file.inputs if len(s["shape"]) == 4), None)
    if image is None:
        return {}
    _, *sizes = image["shape"]
    first = sizes[0] in (1, 3)
    channels, height, width = sizes if first else (sizes[2], sizes[0], sizes[1])
    means, divisors = file.means or [0.0] * channels, file.vars or [1.0] * channels
    return {
        "channels": channels,
        "height": height,
        "width": width,
        "means": means,
        "vars": divisors,
        "order": 0 if first else 1,
    }


def contradicted(given: Sequence[TensorSpec] | None, found: Sequence[Json]) -> bool:
    """Whether what a client says of the tensors is not what the file has; the type's case does not matter."""
    if given is None:
        return False
    said = [(spec.name, spec.data_type.upper(), spec.shape) for spec in given]
    return said != [(spec["name"], spec["dtype"], spec["shape"]) for spec in found]
