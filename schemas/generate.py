"""`make types`: writes each context's `messages.py` and publishes new schema versions.

A schema that changed gets the next number in `published/`; what stands there is never altered, because old messages
keep the number that they were written with.
"""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from fastavro.schema import to_parsing_canonical_form

ROOT = Path(__file__).parent
PUBLISHED = ROOT / "published"
KINDS = {"commands": "Command", "events": "Event", "facts": "Fact"}
PRIMITIVES = {
    "string": "str",
    "long": "int",
    "int": "int",
    "double": "float",
    "float": "float",
    "boolean": "bool",
    "bytes": "bytes",
    "null": "None",
}
LOGICAL = {"timestamp-micros": "datetime", "timestamp-millis": "datetime", "json": "Json"}


def contexts() -> list[str]:
    return sorted({p.parent.parent.name for kind in KINDS for p in ROOT.glob(f"*/{kind}/*.avsc")})


def sources(context: str) -> list[tuple[str, dict[str, Any]]]:
    """(kind folder, schema) of a context, records that others use first."""
    return [(kind, json.loads(p.read_text())) for kind in KINDS for p in sorted(ROOT.glob(f"{context}/{kind}/*.avsc"))]


def with_envelope(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that travels: the body's own fields behind the envelope."""
    envelope = json.loads((ROOT / "envelope.avsc").read_text())
    return {**schema, "fields": [{"name": "envelope", "type": envelope}, *schema["fields"]]}


class Types:
    """Python annotations of Avro types; collects the nested records it meets."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}

    def annotation(self, avro: Any) -> str:
        if isinstance(avro, str):
            return PRIMITIVES.get(avro) or avro.rsplit(".", 1)[-1]
        if isinstance(avro, list):
            return " | ".join(sorted((self.annotation(part) for part in avro), key=lambda a: a == "None"))
        if avro.get("logicalType") in LOGICAL:
            return LOGICAL[avro["logicalType"]]
        match avro["type"]:
            case "array":
                return f"tuple[{self.annotation(avro['items'])}, ...]"
            case "map":
                return f"dict[str, {self.annotation(avro['values'])}]"
            case "enum":
                return "Literal[" + ", ".join(json.dumps(s) for s in avro["symbols"]) + "]"
            case "record":
                self.records.setdefault(avro["name"], "")
                self.records[avro["name"]] = self.declaration(avro, "Record")
                return str(avro["name"])
            case other:
                return self.annotation(other)

    def declaration(self, schema: dict[str, Any], base: str, extra: str = "") -> str:
        lines = [
            f"class {schema['name']}({base}, frozen=True, kw_only=True):",
            f'    """{schema.get("doc", schema["name"])}"""',
            "",
        ]
        lines += [extra] if extra else []
        for field in schema["fields"]:
            lines.append(f"    {field['name']}: {self.annotation(field['type'])}{default(field)}")
        return "\n".join(lines).rstrip() + "\n"


def default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    if isinstance(field["type"], dict) and field["type"].get("logicalType") == "json":
        value = json.loads(value)
    if value in ([], {}):
        return (
            " = ()"
            if isinstance(field["type"], dict) and field["type"]["type"] == "array"
            else " = msgspec.field(default_factory=dict)"
        )
    return f" = {value!r}"


def render(context: str) -> str:
    """The text of a context's `messages.py`."""
    types, bodies = Types(), list[str]()
    unions: dict[str, list[str]] = {kind: [] for kind in KINDS.values()}
    for folder, schema in sources(context):
        base = KINDS[folder]
        topic = schema.get("topic", f"{context}.{folder}")
        bodies.append(types.declaration(schema, base, f'    CONTEXT = "{context}"\n    TOPIC = "{topic}"\n'))
        unions[base].append(schema["name"])
    text = [
        f'"""Generated from {context}/*/*.avsc by `make types`; not edited by hand."""',
        "",
        "from __future__ import annotations",
        "",
    ]
    text += ["from datetime import datetime", "from typing import Literal", "", "import msgspec", ""]
    text += ["from schemas.base import Command, Event, Fact, Json, Record", "", ""]
    text += [*types.records.values(), *bodies]
    for base, names in unions.items():
        if names:
            text.append(f"{base}s = {' | '.join(names)}\n")
    return unused_dropped("\n\n".join("\n".join(text[:12]).split("\n\n\n")) + "\n" + "\n\n".join(text[12:]))


def unused_dropped(text: str) -> str:
    """Without the imports that this context does not need."""
    head, body = text.split("Record\n", 1)
    for line in ("from datetime import datetime\n", "from typing import Literal\n", "import msgspec\n"):
        word = line.split()[-1]
        if not re.search(rf"\b{word}\b", body):
            head = head.replace(line, "")
    used = [n for n in ("Command", "Event", "Fact", "Json", "Record") if re.search(rf"\b{n}\b", body)]
    head = re.sub(r"from schemas.base import .*", "from schemas.base import " + ", ".join(used), head + "Record")
    return head + "\n" + body


def canonical(schema: dict[str, Any]) -> str:
    """What must stay equal for two schemas to be the same version: form, defaults and logical types."""
    return json.dumps({"form": to_parsing_canonical_form(schema), "full": strip_docs(schema)}, sort_keys=True)


def strip_docs(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: strip_docs(v) for k, v in node.items() if k not in ("doc", "topic")}
    return [strip_docs(v) for v in node] if isinstance(node, list) else node


def published() -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """Every version ever shipped: full name -> [(id, schema)], oldest first."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for path in sorted(PUBLISHED.glob("*.avsc")):
        number, context, name, _ = path.name.split(".")
        found.setdefault(f"{context}.{name}", []).append((int(number), json.loads(path.read_text())))
    return found


def publish() -> list[str]:
    """Adds a file for each schema that is new or changed; says which. One run at a time: numbers must not collide."""
    PUBLISHED.mkdir(exist_ok=True)
    with (PUBLISHED / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return publish_locked()


def publish_locked() -> list[str]:
    have = published()
    last = max((number for versions in have.values() for number, _ in versions), default=0)
    added = []
    for context in contexts():
        for _, schema in sources(context):
            full = with_envelope({k: v for k, v in schema.items() if k != "topic"})
            versions = have.get(f"{context}.{schema['name']}", [])
            if versions and canonical(versions[-1][1]) == canonical(full):
                continue
            last += 1
            path = PUBLISHED / f"{last:04}.{context}.{schema['name']}.avsc"
            path.write_text(json.dumps(full, indent=1) + "\n")
            added.append(path.name)
    return added


def once(node: Any, told: set[str]) -> Any:
    """A named type is told in full once and by its name from then on."""
    if isinstance(node, list):
        return [once(part, told) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") in ("record", "enum", "fixed") and "name" in node:
        if node["name"] in told:
            return node["name"]
        told.add(node["name"])
    return {key: once(value, told) for key, value in node.items()}


def main() -> int:
    written = []
    for context in contexts():
        path = ROOT / context / "messages.py"
        (ROOT / context / "__init__.py").touch()
        path.write_text(render(context))
        written.append(str(path))
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--quiet", "--select", "I", "--fix", *written], check=True)
    subprocess.run([*ruff, "format", "--quiet", *written], check=True)
    for name in publish():
        sys.stdout.write(f"published {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
