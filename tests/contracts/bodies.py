"""The smallest body that a schema takes, with ids of things that are there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.contracts.documents import Json, Operation

Reference = Callable[[str], Any]
"""The id for a member of this name, or None."""
ID = re.compile(r"(?:_id|NxID|UUID|Uuid|Id|ID|_ids|UUIDs|Ids|IDs)$")
RANGE: dict[str, Callable[[], str]] = {
    "from": lambda: (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
    "window": lambda: "PT1H",
}
"""Times that readings are asked for."""


def stem(name: str) -> str:
    """`deviceId`, `device_id`, `systemNxID`: what thing it names; "" for a name that is no id's."""
    found = ID.search(name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", "-", name[: found.start()]).lower() if found else ""


class Sample:
    """Bodies for one organisation's requests; `mark` stands in every text. `whole`: with members that may be left out
    and name things."""

    def __init__(self, mark: str, reference: Reference, whole: bool = False) -> None:
        self.mark, self.reference, self.whole = mark, reference, whole

    def body(self, operation: Operation, kind: str = "application/json") -> Any:
        return self.of(operation, operation.bodies[kind], "")

    def query(self, operation: Operation) -> Json:
        """Parameters that must be there, and the largest page."""
        found: Json = {}
        for one in operation.parameters("query"):
            schema, name = operation.resolved(one.get("schema", {})), one["name"]
            if name in RANGE:
                found[name] = RANGE[name]()
            elif one.get("required"):
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
                return self.members(operation, schema)
            case "array":
                count = max(schema.get("minItems", 0), int(self.whole and self.known(name) is not None))
                return [self.of(operation, schema.get("items", {}), name)] * count
            case _:
                return self.value(schema, name)

    def members(self, operation: Operation, schema: Json) -> Json:
        known = schema.get("properties", {})
        asked = [member for member in known if self.whole and self.known(member) is not None]
        return {
            one: self.of(operation, known[one], one) for one in dict.fromkeys([*schema.get("required", []), *asked])
        }

    def value(self, schema: Json, name: str) -> Any:
        found = self.known(name)
        match schema.get("type"):
            case "integer" | "number":
                return found or schema.get("minimum", 0)
            case "boolean":
                return False
            case "string":
                return found or self.text(schema)
        return None

    def known(self, name: str) -> Any:
        return self.reference(stem(name)) if stem(name) else None

    def text(self, schema: Json) -> str:
        if schema.get("format") == "date-time":
            return "2026-01-01T00:00:00Z"
        if schema.get("format") == "uuid":
            return str(uuid4())
        if schema.get("format") == "uri":
            return f"https://example.com/{uuid4().hex}"
        return f"{self.mark}-{uuid4().hex[:8]}"[: schema.get("maxLength", 100)]
