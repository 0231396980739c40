"""What a device runs: trees of chained models, replaced whole. The stream is `pipelines:` and the device id. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, assert_never

import msgspec

from schemas.models.messages import (
    AddPipelines,
    PipelineModel,
    PipelineServer,
    PipelinesSet,
    RemovePipelines,
    SetPipelines,
)
from streams.decision import Reference, Refusal

Commands = SetPipelines | AddPipelines | RemovePipelines
Events = PipelinesSet

DEEPEST = 5
MOST = 16


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model in a pipeline; `method` says what it takes of its parent, which a root has not."""

    model: str
    nms: float | None = None
    resizing: Literal["letterbox", "stretch", "crop"] = "letterbox"
    preprocessor: str = ""
    postprocessor: str = ""
    method: Literal["direct", "conditional", "feature_extraction"] | None = None
    condition: str | None = None
    class_name: str | None = None
    chains: tuple[Node, ...] = ()


class Pipelines(msgspec.Struct, frozen=True):
    """What the device runs now."""

    device: str = ""
    roots: tuple[Node, ...] = ()


def decide(pipelines: Pipelines, command: Commands) -> tuple[Events, ...] | Refusal:
    match command:
        case SetPipelines():
            wanted = nodes(command.pipelines)
            refusal = misfit(wanted, command)
        case AddPipelines():
            more = nodes(command.pipelines)
            there = {root.model for root in pipelines.roots}
            wanted = (*pipelines.roots, *{root.model: root for root in more if root.model not in there}.values())
            refusal = misfit(more, command) or too_many(wanted)
        case RemovePipelines(model=model):
            wanted = tuple(root for root in pipelines.roots if model is not None and root.model != model)
            refusal = None if command.online else offline()
        case _:
            assert_never(command)
    if refusal is not None:
        return refusal
    return () if wanted == pipelines.roots else (told(command.device, wanted),)


def nodes(pipelines: Any) -> tuple[Node, ...]:
    return msgspec.convert(pipelines, tuple[Node, ...])


def told(device: str, roots: tuple[Node, ...]) -> PipelinesSet:
    models = tuple(dict.fromkeys(node.model for node, _, _ in walk(roots)))
    return PipelinesSet(device=device, pipelines=msgspec.json.decode(msgspec.json.encode(roots)), models=models)


def walk(roots: Iterable[Node], parent: Node | None = None, depth: int = 1) -> Iterable[tuple[Node, Node | None, int]]:
    """Every node with its parent and depth, roots first; stops one level below what is allowed."""
    for node in roots:
        yield node, parent, depth
        if depth <= DEEPEST:
            yield from walk(node.chains, node, depth + 1)


def misfit(roots: tuple[Node, ...], command: SetPipelines | AddPipelines) -> Refusal | None:
    """The contract's order: the site, the server, each model, its processors, the tree, the chains."""
    server, known = command.server, {model.id: model for model in command.models}
    if not server.online:
        return offline()
    if not roots:
        return None
    if not server.supports_pipelines:
        return Refusal(
            "model.not_applicable",
            "The device's server does not support pipelines.",
            "server",
        )
    placed = list(walk(roots))
    checks = (
        *(unusable(node.model, known.get(node.model), server) for node, _, _ in placed),
        *(not_offered(node, server) for node, _, _ in placed),
        too_deep(placed),
        too_many(roots),
        *(unchained(node, parent, known) for node, parent, _ in placed),
    )
    return next(filter(None, checks), None)


def offline() -> Refusal:
    return Refusal("site.offline", "The site is offline: its devices cannot be changed.")


def unusable(id: str, model: PipelineModel | None, server: PipelineServer) -> Refusal | None:
    if model is None:
        return Refusal(
            "model.not_applicable",
            f"Model {id} is not available to the organization of the device.",
            "model",
        )
    if model.status != "ok" and not model.targets:
        return Refusal(
            "model.not_ready",
            f"Model {id} is not ready: its status is {model.status}.",
            "model",
        )
    if server.runtime not in model.targets:
        return Refusal(
            "model.not_applicable",
            f"Model {id} has no artefact for the runtime {server.runtime}.",
            "model",
        )
    return None


def not_offered(node: Node, server: PipelineServer) -> Refusal | None:
    for field, name, offered in (
        ("preprocessor", node.preprocessor, server.preprocessors),
        ("postprocessor", node.postprocessor, server.postprocessors),
    ):
        if name and name not in offered:
            return Refusal("model.not_applicable", f"The server offers no {field} {name}.", field)
    return None


def too_deep(placed: list[tuple[Node, Node | None, int]]) -> Refusal | None:
    if any(depth > DEEPEST for _, _, depth in placed):
        return Refusal(
            "model.not_applicable",
            f"A pipeline is at most {DEEPEST} models deep.",
            "pipelines",
        )
    return None


def too_many(roots: tuple[Node, ...]) -> Refusal | None:
    if sum(1 for _ in walk(roots)) > MOST:
        return Refusal("model.not_applicable", f"A device runs at most {MOST} models.", "pipelines")
    return None


def unchained(node: Node, parent: Node | None, known: dict[str, PipelineModel]) -> Refusal | None:
    """What a child takes of its parent must be something that the parent yields."""
    if parent is None:
        return None
    yields = known[parent.model]
    if node.method == "feature_extraction" and node.class_name not in yields.boxes:
        return Refusal(
            "model.not_applicable",
            f"Model {parent.model} yields no boxes of {node.class_name}.",
            "class_name",
        )
    if node.method == "conditional" and node.condition not in yields.flags:
        return Refusal(
            "model.not_applicable",
            f"Model {parent.model} yields no {node.condition}.",
            "condition",
        )
    return None


def apply(event: Events) -> Pipelines:
    return Pipelines(event.device, nodes(event.pipelines))


def references(command: Commands) -> tuple[Reference, ...]:
    """The device and every model of its organisation live while this is decided."""
    if isinstance(command, RemovePipelines):
        return ()
    return (
        Reference("device", command.device, "unknown"),
        *(Reference("model", model.id) for model in command.models if not model.shared),
    )
