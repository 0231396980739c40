"""The version rules of profiles: a published version never changes, a new minor only adds (contract, 6.6). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from api.iot.problems import Problem, invalid
from api.iot.profiles import order


def check(profile: dict[str, Any], published: Iterable[dict[str, Any]], place: str) -> None:
    """Errors: Problem 409 PROFILE_VERSION_EXISTS, 422 BREAKING_CHANGE_IN_MINOR."""
    major, minor = order(profile["version"])
    same = [one for one in published if one["name"] == profile["name"] and order(one["version"])[0] == major]
    for one in same:
        if one["version"] == profile["version"] and bare(one) != bare(profile):
            raise Problem(409, "PROFILE_VERSION_EXISTS", f"{profile['name']} {profile['version']} has other content.")
    before = [one for one in same if order(one["version"])[1] < minor]
    if before:
        newest = max(before, key=lambda one: order(one["version"]))
        if (problem := breaking(newest["fields"], profile["fields"])) is not None:
            raise invalid(f"{place}.version", "CONFLICT", problem, 422, "BREAKING_CHANGE_IN_MINOR")


def bare(profile: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in profile.items() if name != "packKey"}


def breaking(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> str | None:
    """What a reader of the old version would stumble over."""
    fields = {one["name"]: one for one in new}
    for before in old:
        name, after = before["name"], fields.pop(before["name"], None)
        if after is None:
            return f"The field {name} is gone."
        if any(before.get(member) != after.get(member) for member in ("type", "unit", "itemType")):
            return f"The field {name} has another type or unit."
        if narrower(before, after):
            return f"The field {name} takes less than before."
        if after.get("required") and not before.get("required"):
            return f"The field {name} has become required."
    required = next((name for name, one in fields.items() if one.get("required")), None)
    return f"The new field {required} is required." if required else None


def narrower(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a limit has moved inwards."""
    infinity = float("inf")
    return any((after.get(low, -infinity) > before.get(low, -infinity)) for low in ("min", "minItems")) or any(
        (after.get(high, infinity) < before.get(high, infinity)) for high in ("max", "maxItems", "maxLength")
    )
