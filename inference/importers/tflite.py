"""Floating-point TFLite files, and Teachable Machine's archives of them, to ONNX.

    python -m inference.importers.tflite SOURCE FOLDER LIMITS

is the child process of `inference.unpack`: it writes `model.onnx`, and `model.tflite` where SOURCE is an archive.
"""

from __future__ import annotations

import json
import re
import struct
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import onnx
from onnx import TensorProto, helper

from inference.importers.flat import Table, root
from inference.importers.tfjs import model_of
from inference.importers.tfjs_graph import Array, Builder, ImportRefused
from inference.importers.tflite_ops import Op, emit

TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 4: "<i8"}
FLOAT = 0
CUSTOM = 127
"""Builtin codes up to here stand in the older, narrower field."""
CENTRED = '{"means": [127.5, 127.5, 127.5], "vars": [127.5, 127.5, 127.5]}'
"""Teachable Machine feeds pictures from -1 to 1."""
ENTRIES = 1000


def convert(data: bytes, labels: Sequence[str] = (), doc: str = "") -> onnx.ModelProto:
    """The ONNX model of a TFLite file; with `labels`, its output is their scores.

    Errors: ImportRefused.
    """
    if data[4:8] != b"TFL3":
        raise ImportRefused("not a TFLite file")
    model = root(data)
    graph = next(model.tables(2), None)
    if graph is None:
        raise ImportRefused("the file has no graph")
    tensors, buffers = list(graph.tables(0)), list(model.tables(4))
    names = named(graph, tensors, labels)
    builder = Builder(
        {names[n]: array for n, each in enumerate(tensors) if (array := constant(each, buffers)) is not None}
    )
    for index in graph.numbers(1):
        builder.inputs.append(picture(names[index], tensors[index]))
    codes = [max(code.scalar(0, "<b"), code.scalar(3)) for code in model.tables(1)]
    for op in graph.tables(3):
        inputs = tuple(names[n] if n >= 0 else "" for n in op.numbers(1))
        (output,) = op.numbers(2)
        emit(builder, Op(codes[op.scalar(0, "<I")], inputs, names[output], op.table(4)))
    return model_of(builder, [names[index] for index in graph.numbers(2)], {}, doc, "sightlog-tflite")


def named(graph: Table, tensors: Sequence[Table], labels: Sequence[str]) -> list[str]:
    """What tensors are called: numbers within, the contract's words at the ends."""
    names = [f"t{n}" for n in range(len(tensors))]
    inputs, outputs = graph.numbers(1), graph.numbers(2)
    if len(inputs) != 1:
        raise ImportRefused("the graph takes something beside one picture")
    names[inputs[0]] = "image-"
    for index in outputs:
        names[index] = re.sub(r"[^\w.]", "_", tensors[index].text(3)) or names[index]
    if labels:
        (output, *more) = outputs
        if more or tensors[output].numbers(0)[-1:] != [len(labels)]:
            raise ImportRefused(f"the graph does not score {len(labels)} labels")
        names[output] = "scores-" + ";".join(f"{n}:{label}" for n, label in enumerate(labels))
    return names


def constant(tensor: Table, buffers: Sequence[Table]) -> Array | None:
    """The values of a tensor that has some."""
    stored = buffers[tensor.scalar(2, "<I")]
    if not stored.octets(0):
        return None
    form = TYPES.get(tensor.scalar(1, "<b"))
    if form is None:
        raise ImportRefused("quantised: export it in floating point")
    return stored.array(0, np.dtype(form)).reshape(tensor.numbers(0))


def picture(name: str, tensor: Table) -> onnx.ValueInfoProto:
    if tensor.scalar(1, "<b") != FLOAT:
        raise ImportRefused("quantised: export it in floating point")
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, tensor.numbers(0))


def unpacked(path: Path, most: int) -> tuple[bytes, list[str]]:
    """The TFLite file in an archive, and its labels.

    Errors: ImportRefused.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {PurePosixPath(entry.filename).suffix: entry for entry in harmless(archive)}
            if ".tflite" not in found:
                raise ImportRefused("the archive has no .tflite file")
            if sum(entry.file_size for entry in found.values()) > most:
                raise ImportRefused(f"unpacked, the archive has more than {most} bytes")
            told = archive.read(found[".txt"]).decode("utf-8", "replace") if ".txt" in found else ""
            return archive.read(found[".tflite"]), labels_in(told)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as problem:
        raise ImportRefused("the archive cannot be read") from problem


def harmless(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files, unless one would leave the folder that it is unpacked to."""
    entries = archive.infolist()
    if len(entries) > ENTRIES:
        raise ImportRefused(f"the archive has more than {ENTRIES} entries")
    for entry in entries:
        place = PurePosixPath(entry.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise ImportRefused("the archive has a path that leads out of it")
    return [entry for entry in entries if not entry.is_dir()]


def labels_in(text: str) -> list[str]:
    """Lines of `0 Cat`; what would part labels in a tensor's name becomes a space."""
    lines = [re.sub(r"^\d+\s+", "", line.strip()) for line in text.splitlines() if line.strip()]
    return [re.sub(r"[;:]", " ", line).strip() or str(n) for n, line in enumerate(lines)]


def main() -> None:
    """The child: one JSON object on standard output."""
    from inference.check import CheckLimits, restrict

    source, folder, limits = Path(sys.argv[1]), Path(sys.argv[2]), CheckLimits(**json.loads(sys.argv[3]))
    restrict(limits, limits.file_bytes * 2)
    try:
        packed = zipfile.is_zipfile(source)
        data, labels = unpacked(source, limits.file_bytes) if packed else (source.read_bytes(), [])
        made = convert(data, labels, CENTRED if labels else "")
        (folder / "model.onnx").write_bytes(made.SerializeToString(deterministic=True))
        (folder / "model.tflite").write_bytes(data)
        answer: dict[str, object] = {"labels": len(labels), "packed": packed}
    except ImportRefused as refused:
        answer = {"refused": str(refused)}
    except (struct.error, IndexError, ValueError, KeyError, onnx.checker.ValidationError):
        answer = {"refused": "the TFLite file cannot be read"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
