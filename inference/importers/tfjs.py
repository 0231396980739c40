"""TensorFlow.js graph models (`model.json` and its weight files) to ONNX.

    python -m inference.importers.tfjs model.json model.onnx [--output NAME ...] [--meta KEY=VALUE ...] [--doc TEXT]

The same input gives the same bytes. Format: the `graph-model` of TensorFlow.js (GraphDef as JSON, weights in shards).
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inference.importers.tfjs_graph import Array, Builder, ImportRefused, Node
from inference.importers.tfjs_ops import emit

OPSET = 17
"""The newest that Nx tests (contract nx-ai-cloud.md, section 10)."""
IR_VERSION = 8


def read_weights(manifest: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Array]:
    """The weights of all groups; quantised ones (float16, or scaled integers) come back as their own type."""
    weights: dict[str, Array] = {}
    for group in manifest:
        raw = b"".join((folder / _plain_name(name)).read_bytes() for name in group["paths"])
        position = 0
        for entry in group["weights"]:
            weights[entry["name"]], position = _weight(entry, raw, position)
        if position != len(raw):
            raise ImportRefused(f"weights: {len(raw) - position} bytes left over in {group['paths']}")
    return weights


def _plain_name(name: str) -> str:
    if Path(name).name != name:
        raise ImportRefused(f"weights: {name!r} is not a plain file name")
    return name


def _weight(entry: Mapping[str, Any], raw: bytes, position: int) -> tuple[Array, int]:
    wanted, quantised = np.dtype(entry["dtype"]), entry.get("quantization")
    stored = np.dtype(quantised["dtype"]) if quantised else wanted
    count = math.prod(entry["shape"])
    if position + count * stored.itemsize > len(raw):
        raise ImportRefused(f"weights: the file ends inside {entry['name']}")
    values: Array = np.frombuffer(raw, stored, count, position)
    if quantised and quantised["dtype"] != "float16":
        values = values * quantised["scale"] + quantised["min"]
    return values.astype(wanted).reshape(entry["shape"]), position + count * stored.itemsize


def read_nodes(topology: Mapping[str, Any]) -> dict[str, Node]:
    """The graph's nodes by name."""
    return {
        node["name"]: Node(
            node["name"],
            node["op"],
            tuple(name.removesuffix(":0") for name in node.get("input", []) if not name.startswith("^")),
            node.get("attr", {}),
        )
        for node in topology["node"]
    }


def in_order(nodes: Mapping[str, Node], outputs: Sequence[str]) -> list[Node]:
    """The nodes that the outputs need, each after its inputs."""
    done: dict[str, Node] = {}
    waiting = [(name.split(":")[0], False) for name in reversed(outputs)]
    while waiting:
        name, ready = waiting.pop()
        if name in done:
            continue
        if name not in nodes:
            raise ImportRefused(f"the graph has no node {name!r}")
        if ready:
            done[name] = nodes[name]
            continue
        waiting.append((name, True))
        waiting += [(below.split(":")[0], False) for below in nodes[name].inputs]
    return list(done.values())


def output_names(model: Mapping[str, Any], nodes: Mapping[str, Node]) -> list[str]:
    """The outputs the signature names, in the order of their number; without one, the nodes nobody reads."""
    signature = model.get("signature") or model.get("userDefinedMetadata", {}).get("signature") or {}
    named = [name.removesuffix(":0") for name in signature.get("outputs", {})]
    read = {below.split(":")[0] for node in nodes.values() for below in node.inputs}
    loose = [node.name for node in nodes.values() if node.name not in read and node.op not in ("Const", "NoOp")]
    return sorted(named or loose, key=lambda name: (len(name), name))


def convert(
    source: Path, outputs: Sequence[str] = (), metadata: Mapping[str, str] | None = None, doc: str = ""
) -> onnx.ModelProto:
    """The ONNX model of a tfjs graph model; `source` is its JSON file, the weights lie beside it."""
    model = json.loads(source.read_bytes())
    if "node" not in model.get("modelTopology", {}):
        raise ImportRefused("not a graph model: no modelTopology.node (a layers model must be exported anew)")
    nodes = read_nodes(model["modelTopology"])
    builder = Builder(read_weights(model["weightsManifest"], source.parent))
    wanted = list(outputs) or output_names(model, nodes)
    for node in in_order(nodes, wanted):
        emit(builder, node)
    return model_of(builder, wanted, metadata or {}, doc, "sightlog-tfjs")


def model_of(
    builder: Builder, outputs: Sequence[str], metadata: Mapping[str, str], doc: str, producer: str
) -> onnx.ModelProto:
    """The graph that was built as a model."""
    used = {name for node in builder.nodes for name in node.input} | set(outputs)
    graph = helper.make_graph(
        builder.nodes,
        "imported",
        builder.inputs,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [
            numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
            for name, value in builder.constants.items()
            if name in used
        ],
        doc_string=doc,
    )
    made = helper.make_model(
        graph,
        producer_name=producer,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(made, dict(sorted(metadata.items())))
    inferred = onnx.shape_inference.infer_shapes(made, data_prop=True)
    del inferred.graph.value_info[:]
    onnx.checker.check_model(inferred)
    return inferred


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="TensorFlow.js graph model to ONNX")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--output", action="append", default=[], help="a node to give out; default: the signature's")
    parser.add_argument("--meta", action="append", default=[], help="KEY=VALUE for the metadata")
    parser.add_argument("--doc", default="", help="the graph's doc string, such as the Nx normalisation")
    options = parser.parse_args(arguments)
    metadata = dict(entry.split("=", 1) for entry in options.meta)
    made = convert(options.source, options.output, metadata, options.doc)
    options.target.write_bytes(made.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
