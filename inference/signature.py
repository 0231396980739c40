"""What a model says of itself: inputs, outputs, labels, normalisation. Pure.

Tensor names follow the Nx grammar `<io>-<key>:<value>;<key>:<value>;...` (contract nx-ai-cloud.md, section 10).
"""

import ast
import json
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int | str | None, ...]
"""A number is a static dimension, a word a symbolic one."""

CHIPS = {"hailo": "hailo", "hailo8": "hailo", "hailo-8": "hailo", "hailo8l": "hailo-8l", "hailo-8l": "hailo-8l"}
_SIDE_INPUTS = ("nms_sensitivity", "mask")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output; `dtype` is NumPy's word, such as "float32"."""

    name: str
    dtype: str
    shape: Shape

    @property
    def role(self) -> str:
        """The part of the name before the dash: `image`, `bboxes`, `scores`, ...; the whole name without a dash."""
        return self.name.split("-", 1)[0]

    @property
    def pairs(self) -> dict[str, str]:
        """The key and value pairs in the name; raises ValueError when they are written wrongly."""
        _, dash, rest = self.name.partition("-")
        return parse_pairs(rest) if dash else {}

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class Signature:
    """All that is known of a model without running it."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metadata: dict[str, str] = field(default_factory=dict)
    doc: str = ""

    @property
    def image(self) -> TensorSpec | None:
        """The input that takes the frame: the one of role `image`, or the only one of another name that is rank 4."""
        named = [spec for spec in self.inputs if spec.role == "image"]
        others = [spec for spec in self.inputs if spec.role not in _SIDE_INPUTS and len(spec.shape) == 4]
        found = named or others
        return found[0] if len(found) == 1 else None

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by id: from the output names, else from the `names` metadata; empty when unknown."""
        for spec in self.outputs:
            named = _numbered(_lenient_pairs(spec))
            if named:
                return named
        return labels_from_metadata(self.metadata.get("names", ""))

    @property
    def chip(self) -> str | None:
        """The accelerator the file was compiled for, normalised; the raw word when it is not a known one."""
        word = self.metadata.get("chip", "").strip().lower()
        return CHIPS.get(word, word) or None

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Means and divisors from the JSON in the graph's doc string; raises ValueError when they are malformed."""
        return parse_normalisation(self.doc)


def parse_pairs(text: str) -> dict[str, str]:
    """`0:person;1:bike` to a dict; a trailing semicolon is allowed, a key without a colon or twice is not."""
    pairs: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        key, colon, value = part.partition(":")
        if not colon or key.strip() in pairs:
            raise ValueError(f"tensor name has a bad pair: {part!r}")
        pairs[key.strip()] = value.strip()
    return pairs


def _lenient_pairs(spec: TensorSpec) -> dict[str, str]:
    try:
        return spec.pairs
    except ValueError:
        return {}


def _numbered(pairs: dict[str, str]) -> tuple[str, ...]:
    """Labels in order of id from the pairs whose keys are numbers; gaps are filled with the number itself."""
    ids = {int(key): value for key, value in pairs.items() if key.isascii() and key.isdigit() and len(key) < 6}
    return tuple(ids.get(number, str(number)) for number in range(max(ids) + 1)) if ids else ()


def labels_from_metadata(text: str) -> tuple[str, ...]:
    """Reads `{0: 'person', 1: 'bicycle'}` (as Ultralytics writes it), a JSON object, or a JSON list."""
    if not text or len(text) > 1_000_000:
        return ()
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if isinstance(names, dict):
        return _numbered({str(key): str(value) for key, value in names.items()})
    return tuple(str(name) for name in names) if isinstance(names, list | tuple) else ()


def parse_normalisation(doc: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """`{"means": [...], "vars": [...]}` to numbers; None when the doc string is not such an object."""
    try:
        read = json.loads(doc)
    except ValueError:
        return None
    if not isinstance(read, dict) or not {"means", "vars"} & read.keys():
        return None
    means, divisors = _numbers(read.get("means")), _numbers(read.get("vars"))
    if not means or len(means) != len(divisors) or 0 in divisors:
        raise ValueError("means and vars must be lists of numbers of one length, without a zero in vars")
    return means, divisors


def _numbers(value: object) -> tuple[float, ...]:
    """The list's numbers; empty when it is anything but a list of numbers."""
    if not isinstance(value, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        return ()
    return tuple(float(v) for v in value)
