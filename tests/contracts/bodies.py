"""The smallest body that a schema takes, with ids of things that are there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.contracts.documents import Json, Operation

Reference = Callable[[str], Any]
"""The id for a member of this name, or None."""
ID = re.compile(r"(?:_id|NxID|UUID|Uuid|Id|ID|_ids|UUIDs|Ids|IDs)$")


def stem(name: str) -> str:
    """`deviceId`, `device_id`, `systemNxID`: what thing it names; "" for a name that is no id's."""
    found = ID.search(name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name[: found.start()]).lower() if found else ""


class Sample:
    """Bodies for one organisation's requests; `mark` stands in every text."""

    def __init__(self, mark: str, reference: Reference) -> None:
        self.mark, self.reference = mark, reference

    def body(self, operation: Operation, kind: str = "application/json") -> Any:
        return self.of(operation, operation.bodies[kind], "")

    def query(self, operation: Operation) -> Json:
        """Parameters that must be there, and the largest page."""
        found: Json = {}
        for one in operation.parameters("query"):
            schema, name = operation.resolved(one.get("schema", {})), one["name"]
            if one.get("required"):
                found[name] = self.of(operation, schema, name)
            elif name in ("limit", "size", "per_page"):
                found[name] = min(schema.get("maximum", 100), 500 if name == "limit" else 100)
        return found

    def of(self, operation: Operation, schema: Json, name: str) -> Any:
        schema = operation.resolved(schema)
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self.of(operation, schema[choice][0], name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "object":
                members = schema.get("properties", {})
                return {member: self.of(operation, members[member], member) for member in schema.get("required", [])}
            case "array":
                return [self.of(operation, schema.get("items", {}), name)] * schema.get("minItems", 0)
            case "integer" | "number":
                return self.known(name) or schema.get("minimum", 0)
            case "boolean":
                return False
            case "string":
                return self.known(name) or self.text(schema)
        return None

    def known(self, name: str) -> Any:
        return self.reference(stem(name)) if stem(name) else None

    def text(self, schema: Json) -> str:
        if schema.get("format") == "date-time":
            return "2026-01-01T00:00:00Z"
        if schema.get("format") == "uuid":
            return str(uuid4())
        if schema.get("format") == "uri":
            return "https://example.com/"
        return f"{self.mark}-{uuid4().hex[:8]}"[: schema.get("maxLength", 100)]
