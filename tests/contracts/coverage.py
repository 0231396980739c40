"""What a contract's operation asks for that a published one lacks."""

from __future__ import annotations

from tests.contracts.documents import Operation

Facts = dict[str, set[str]]


def facts(operation: Operation) -> Facts:
    """What is compared: parameters by place, body types, success codes, required members of the success body."""
    good = {code: answer for code, answer in operation.answers.items() if code[0] in "23"}
    schemas = [
        operation.resolved(media.get("schema", {}))
        for answer in good.values()
        for media in answer.get("content", {}).values()
    ]
    parts = [part for schema in schemas for part in (schema, *map(operation.resolved, schema.get("allOf", [])))]
    return {
        "parameters": {f"{one['in']} {one['name'].lower()}" for one in operation.parameters("query", "header")},
        "body": set(operation.bodies),
        "success": set(good),
        "members": {member for part in parts for member in part.get("required", [])},
    }


def lacking(wanted: Operation, ours: Operation) -> Facts:
    """Empty when nothing of the contract is missing."""
    asked, given = facts(wanted), facts(ours)
    return {kind: asked[kind] - given[kind] for kind in asked if asked[kind] - given[kind]}
