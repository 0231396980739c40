"""The rules an ONNX file must meet: it parses and runs the file, so only the child of `inference.check` may use it."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from inference.check import Checked, CheckLimits, RejectedCode, starved
from inference.engine import EngineOptions, Model, ModelError
from inference.heads import head_of
from inference.signature import CHIPS, Signature, TensorSpec
from inference.tensors import geometry

_STANDARD = ("", "ai.onnx")
_FEATURES = {"bboxes": (2, 3), "scores": (1, 2), "alarm": (1, 2)}
"""Ranks of the named outputs (nx-ai-cloud.md, section 10)."""


class Refused(Exception):
    """The file breaks a rule."""

    def __init__(self, code: RejectedCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def inspect(path: Path, limits: CheckLimits) -> Checked:
    """All rules in the order of their price: parse, structure, names, and one run."""
    data = path.read_bytes()
    model = parse(data)
    nodes = structure(model, limits)
    signature = signature_of(model)
    opset, notes = versions(model, limits, chip=signature.chip)
    meaning(signature, limits)
    seconds = None
    if signature.chip is None and limits.run:
        signature, seconds = warm_up(data, limits)
    head = head_of(signature)
    normalisation = signature.normalisation
    if head is None:
        notes.append("no recognised output: needs an external postprocessor")
    return Checked(
        digest=hashlib.sha256(data).hexdigest(),
        size=len(data),
        inputs=[spec.plain() for spec in signature.inputs],
        outputs=[spec.plain() for spec in signature.outputs],
        opset=opset,
        ir_version=model.ir_version,
        producer=" ".join(filter(None, (model.producer_name, model.producer_version)))[:200],
        nodes=nodes,
        labels=list(head.labels(signature) if head else signature.labels),
        chip=signature.chip,
        means=list(normalisation[0]) if normalisation else None,
        vars=list(normalisation[1]) if normalisation else None,
        metadata={key[:200]: value[:10_000] for key, value in signature.metadata.items()},
        head=head.name if head else None,
        family=head.family if head else None,
        warm_up_seconds=None if seconds is None else round(seconds, 4),
        warnings=notes,
    )


def parse(data: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(data)
    except MemoryError:
        raise
    except Exception as error:  # protobuf's errors have no common class
        raise Refused("not_onnx", "the file does not parse as ONNX") from error
    if not model.ir_version or not model.graph.output or not model.opset_import:
        raise Refused("not_onnx", "the file holds no ONNX graph")
    return model


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its nodes (branches and loops)."""
    waiting = [graph]
    while waiting:
        here = waiting.pop()
        yield here
        for node in here.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def structure(model: onnx.ModelProto, limits: CheckLimits) -> int:
    """Refuses external data and too many nodes; gives the number of nodes."""
    count = sum(len(function.node) for function in model.functions)
    for graph in graphs(model.graph):
        count += len(graph.node)
        if any(_outside(tensor) for tensor in _tensors(graph)):
            raise Refused("external_data", "the weights must be inside the file")
    if any(_outside(tensor) for function in model.functions for tensor in _held(function.node)):
        raise Refused("external_data", "the weights must be inside the file")
    if count > limits.nodes:
        raise Refused("too_many_nodes", f"{count} nodes, the limit is {limits.nodes}")
    return count


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _held(graph.node)


def _held(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    """The tensors in the nodes' attributes."""
    for node in nodes:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t


def _outside(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == TensorProto.EXTERNAL or bool(tensor.external_data)


def versions(model: onnx.ModelProto, limits: CheckLimits, chip: str | None) -> tuple[int, list[str]]:
    """The opset, and what is worth a warning; custom operators pass only in a file for a chip."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in _STANDARD), 0)
    if not limits.oldest_opset <= opset <= limits.newest_opset:
        raise Refused("opset_unsupported", f"opset {opset}, not {limits.oldest_opset} to {limits.newest_opset}")
    foreign = sorted({node.domain for graph in graphs(model.graph) for node in graph.node} - set(_STANDARD))
    if foreign and chip is None:
        raise Refused("custom_operators", f"operators of {', '.join(foreign)[:200]}")
    high = model.ir_version > limits.newest_ir
    return opset, [f"IR version {model.ir_version} is over {limits.newest_ir}"] if high else []


def signature_of(model: onnx.ModelProto) -> Signature:
    """The signature as the file tells it; weights that are also listed as inputs do not count."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return Signature(
        inputs=tuple(_spec(value) for value in model.graph.input if value.name not in weights),
        outputs=tuple(map(_spec, model.graph.output)),
        metadata={entry.key: entry.value for entry in model.metadata_props},
        doc=model.graph.doc_string,
    )


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    held = value.type.tensor_type
    kind = held.elem_type
    dtype = helper.tensor_dtype_to_np_dtype(kind).name if kind else "undefined"
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in held.shape.dim)
    return TensorSpec(value.name, dtype, shape)


def meaning(signature: Signature, limits: CheckLimits) -> None:
    """The rules on names, shapes and metadata."""
    if signature.chip is not None and signature.chip not in CHIPS.values():
        raise Refused("unknown_chip", f"chip {signature.chip[:50]!r} is not known")
    channels = _image_channels(signature, limits)
    for spec in signature.outputs:
        _output(spec)
    try:
        given = signature.normalisation
    except ValueError as error:
        raise Refused("bad_normalisation", str(error)) from error
    if given and len(given[0]) != channels:
        raise Refused("bad_normalisation", f"means and vars have {len(given[0])} entries, the input {channels}")


def _image_channels(signature: Signature, limits: CheckLimits) -> int:
    image = signature.image
    if image is None:
        raise Refused("bad_input", "exactly one input must take the picture: [1, C, H, W] or [1, H, W, C]")
    if image.dtype != "float32":
        raise Refused("bad_input", f"input {image.name[:100]!r} is {image.dtype}, not float32")
    if limits.static_inputs and not all(isinstance(size, int) and size > 0 for size in image.shape):
        raise Refused("bad_input", f"input {image.name[:100]!r} has no static shape: {list(image.shape)}")
    try:
        return geometry(image.shape)[1]
    except ValueError as error:
        raise Refused("bad_input", f"input {image.name[:100]!r}: {error}") from error


def _output(spec: TensorSpec) -> None:
    """A recognised output must have its rank, its type and well-formed labels."""
    if spec.role not in _FEATURES or "-" not in spec.name:
        return
    if len(spec.shape) not in _FEATURES[spec.role] or (spec.role == "bboxes" and spec.shape[-1] != 6):
        raise Refused("bad_output", f"{spec.role} has shape {list(spec.shape)}")
    if spec.dtype != ("bool" if spec.role == "alarm" else "float32"):
        raise Refused("bad_output", f"{spec.role} is {spec.dtype}")
    try:
        pairs = spec.pairs
    except ValueError as error:
        raise Refused("bad_labels", str(error)[:200]) from error
    if spec.role == "bboxes" and pairs.pop("format", None) != "xyxysc":
        raise Refused("bad_output", "bboxes must say format:xyxysc")
    _labels(pairs)


def _labels(pairs: dict[str, str]) -> None:
    if not all(key.isascii() and key.isdigit() for key in pairs):
        raise Refused("bad_labels", "class ids must be whole numbers")
    if sorted(map(int, pairs)) != list(range(len(pairs))):
        raise Refused("bad_labels", "class ids must count from 0 without gaps")
    if any(":" in label or not label for label in pairs.values()):
        raise Refused("bad_labels", "labels must not be empty or hold a colon")


def warm_up(data: bytes, limits: CheckLimits) -> tuple[Signature, float]:
    """Runs the model once on zeros: the signature with the shapes that the runtime worked out, and the seconds."""
    options = EngineOptions(threads=limits.threads, batch=1, providers=("CPUExecutionProvider",))
    try:
        model = Model(data, hashlib.sha256(data).hexdigest(), options)
        return model.signature, model.warm_up()
    except ModelError as error:
        if starved(str(error)):
            raise MemoryError from error
        raise Refused("warm_up_failed", str(error)[:300]) from error
