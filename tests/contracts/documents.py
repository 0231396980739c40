"""What a running server publishes of itself: the operations of every surface's own document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import httpx
import yaml

Json = dict[str, Any]
HERE = Path(__file__).parent
METHODS = ("get", "post", "put", "patch", "delete")
SURFACES: dict[str, dict[str, str]] = {
    "nx": {"/cpt/openapi.json": "/cpt", "/dev/openapi.json": "/dev", "/cdb/openapi.json": ""},
    "acusight": {"/api/openapi.json": "/api"},
    "iot": {"/api/v3/api-docs": ""},
    "noxovision": {"/api/v0/openapi.json": "/api/v0"},
}
"""Surface -> documents that it publishes, and where their paths begin."""
PREFIX = {"nx": "", "acusight": "/api", "iot": "", "noxovision": "/api/v0"}
"""Where the paths of the contracts begin."""


@dataclass(frozen=True)
class Operation:
    """One operation of a document, under its whole path."""

    surface: str
    method: str
    path: str
    spec: Json = field(repr=False, compare=False)
    item: Json = field(repr=False, compare=False)
    document: Json = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def shape(self) -> tuple[str, str]:
        """What is the same however parameters are called."""
        return self.method, re.sub(r"\{[^}]*\}", "{}", self.path).rstrip("/") or "/"

    def resolved(self, node: Any) -> Json:
        return resolved(self.document, node)

    def parameters(self, *places: str) -> list[Json]:
        declared = [*self.item.get("parameters", []), *self.spec.get("parameters", [])]
        return [one for one in map(self.resolved, declared) if one.get("in") in places]

    @property
    def bodies(self) -> dict[str, Json]:
        """Schemas by media type."""
        content = self.resolved(self.spec.get("requestBody", {})).get("content", {})
        return {kind: media.get("schema", {}) for kind, media in content.items()}

    @property
    def answers(self) -> dict[str, Json]:
        return {str(code): self.resolved(answer) for code, answer in self.spec.get("responses", {}).items()}


def resolved(document: Json, node: Any) -> Json:
    """What a `$ref` leads to."""
    while isinstance(node, dict) and "$ref" in node:
        parts = node["$ref"].removeprefix("#/").split("/")
        node = reduce(lambda at, part: at[part.replace("~1", "/").replace("~0", "~")], parts, document)
    return node or {}


def operations(surface: str, document: Json, prefix: str) -> Iterator[Operation]:
    for path, item in document.get("paths", {}).items():
        whole = path if not prefix or path == prefix or path.startswith(f"{prefix}/") else prefix + path
        for method in METHODS:
            if method in item:
                yield Operation(surface, method, whole, item[method], item, document)


def published(base: str, *surfaces: str) -> list[Operation]:
    """Every operation of the running server."""
    found: list[Operation] = []
    for surface in surfaces or SURFACES:
        for url, prefix in SURFACES[surface].items():
            answer = httpx.get(base + url, timeout=30, trust_env=False).raise_for_status()
            found += operations(surface, answer.json(), prefix)
    return found


def contract(surface: str) -> list[Operation]:
    """The contract's operations that a surface's own page names (`x-origin: seed`)."""
    document = yaml.load((HERE / f"{surface}.openapi.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return list(operations(surface, document, PREFIX[surface]))
