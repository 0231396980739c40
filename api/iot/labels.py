"""Whether a label fits its class, and whether a class still fits its labels (contract, 6.12). Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

from api.iot.answers import moment
from api.iot.problems import FieldError, Problem

NUMBERS = (int, float)
TYPES: dict[str, tuple[type, ...]] = {
    "NUMBER": NUMBERS, "INTEGER": (int,), "BOOLEAN": (bool,), "TEXT": (str,), "SELECT": (str,), "MULTI_SELECT": (list,),
    "DATETIME": (str,),
}  # fmt: skip


class Label(Protocol):
    """What is checked of an annotation."""

    @property
    def scope_type(self) -> str: ...
    @property
    def start_at(self) -> datetime: ...
    @property
    def end_at(self) -> datetime | None: ...
    @property
    def values(self) -> dict[str, Any] | None: ...


def utc(at: datetime) -> str:
    return moment(at).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check(form: dict[str, Any], label: Label) -> None:
    """Errors: Problem 422 with every field at fault."""
    wrong = [*placed(form, label), *filled(form, label.values or {})]
    if wrong:
        raise Problem(422, "SCHEMA_VIOLATION", "The annotation does not fit its class.", *wrong)


def placed(form: dict[str, Any], label: Label) -> list[FieldError]:
    """Scope and time."""
    found = []
    if label.scope_type not in form["scopes"]:
        found.append(FieldError("scopeType", "CONFLICT", f"The class is for {', '.join(form['scopes'])}."))
    if form["temporality"] == "POINT" and label.end_at is not None:
        found.append(FieldError("endAt", "CONFLICT", "The class is for points in time."))
    if form["temporality"] == "RANGE" and label.end_at is None:
        found.append(FieldError("endAt", "REQUIRED", "The class is for ranges."))
    if label.end_at is not None and moment(label.end_at) <= moment(label.start_at):
        found.append(FieldError("endAt", "OUT_OF_RANGE", "The end comes after the start."))
    return found


def filled(form: dict[str, Any], values: dict[str, Any]) -> list[FieldError]:
    """The form's fields; a value for no field is at fault too."""
    fields = {field["name"]: field for field in form["fields"]}
    found = [
        FieldError(f"values.{name}", "NOT_FOUND", "The class has no such field.") for name in values.keys() - fields
    ]
    for name, field in fields.items():
        if values.get(name) is None:
            if field.get("required"):
                found.append(FieldError(f"values.{name}", "REQUIRED", "The class needs it."))
        elif (wrong := misfit(field, values[name])) is not None:
            found.append(FieldError(f"values.{name}", *wrong))
    return found


def misfit(field: dict[str, Any], value: Any) -> tuple[str, str] | None:
    """Code and sentence of what is wrong with a value."""
    kind = field["type"]
    fits = isinstance(value, TYPES[kind]) and (kind == "BOOLEAN" or not isinstance(value, bool))
    if not fits:
        return "INVALID_FORMAT", f"is not a {kind}"
    if kind == "DATETIME" and not dated(value):
        return "INVALID_FORMAT", "is not a time"
    if kind in ("NUMBER", "INTEGER") and not low(field) <= value <= high(field):
        return "OUT_OF_RANGE", "is out of range"
    chosen: list[Any] = value if kind == "MULTI_SELECT" else [value] if kind == "SELECT" else []
    if any(one not in field["options"] for one in chosen):
        return "INVALID_ENUM", "is no option"
    return None


def low(field: dict[str, Any]) -> float:
    return float(field.get("min", "-inf"))


def high(field: dict[str, Any]) -> float:
    return float(field.get("max", "inf"))


def dated(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def tightened(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether labels that fitted the old class might not fit the new one."""
    fields = {field["name"]: field for field in new["fields"]}
    if not set(old["scopes"]) <= set(new["scopes"]) or new["temporality"] not in ("ANY", old["temporality"]):
        return True
    for before in old["fields"]:
        after = fields.pop(before["name"], None)
        if after is None or narrowed(before, after):
            return True
    return any(field.get("required") for field in fields.values())


def narrowed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return (
        after["type"] != before["type"]
        or bool(after.get("required") and not before.get("required"))
        or low(after) > low(before)
        or high(after) < high(before)
        or not set(before.get("options") or ()) <= set(after.get("options") or ())
    )
