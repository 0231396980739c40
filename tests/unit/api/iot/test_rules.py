"""The pure rules of IoT groups: conditions, labels, profile versions, desired state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from api.iot import conditions, desired, labels, live, pairs, versions
from api.iot.problems import Problem

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPERATORS = conditions.ORDER | conditions.SAME | conditions.TRUTH | {"CONTAINS", "NOT_CONTAINS"}
VALUES: dict[str, Any] = {"DOUBLE": 1.5, "BIGINT": 1, "BOOLEAN": True, "TEXT": "x"}


def condition(operator: str, value: Any, **more: Any) -> conditions.AlertCondition:
    said = {"type": "VALUE", "operator": operator, **more}
    said |= {} if operator in conditions.TRUTH else {"value": value}
    said |= {"upperValue": 9} if operator in conditions.RANGE else {}
    return conditions.AlertCondition.model_validate(said)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
@pytest.mark.parametrize("kind", VALUES)
def test_every_cell_of_the_operator_table(operator: str, kind: str) -> None:
    wanted = condition(operator, VALUES[kind])
    if operator in conditions.FITS[kind]:
        conditions.check(wanted, kind)
        return
    with pytest.raises(Problem) as refused:
        conditions.check(wanted, kind)
    assert (refused.value.status, refused.value.code) == (422, "OPERATOR_TYPE_MISMATCH")


def test_only_counts_are_taken_of_what_is_no_number() -> None:
    window = {"type": "AGGREGATE", "windowSeconds": 60}
    conditions.check(condition("EQUALS", 0, **window, aggregate="COUNT"), "TEXT")
    with pytest.raises(Problem):
        conditions.check(condition("EQUALS", 0, **window, aggregate="AVG"), "TEXT")


FORM = {
    "scopes": ["DEVICE"],
    "temporality": "RANGE",
    "fields": [
        {"name": "n", "type": "INTEGER", "required": True, "min": 0, "max": 9},
        {"name": "s", "type": "SELECT", "options": ["a", "b"]},
        {"name": "when", "type": "DATETIME"},
    ],
}


def label(values: dict[str, Any], scope: str = "DEVICE", end: datetime | None = NOW + timedelta(hours=1)) -> Any:
    return SimpleNamespace(scope_type=scope, start_at=NOW, end_at=end, values=values)


def at_fault(one: Any) -> set[tuple[str, str]]:
    try:
        labels.check(FORM, one)
    except Problem as problem:
        return {(error.field, error.code) for error in problem.errors}
    return set()


def test_a_label_fits_its_class() -> None:
    assert at_fault(label({"n": 3, "s": "a", "when": "2026-11-20T12:00:00Z"})) == set()
    assert at_fault(label({})) == {("values.n", "REQUIRED")}
    assert at_fault(label({"n": True})) == {("values.n", "INVALID_FORMAT")}
    assert at_fault(label({"n": 10, "s": "c", "x": 1})) == {
        ("values.n", "OUT_OF_RANGE"),
        ("values.s", "INVALID_ENUM"),
        ("values.x", "NOT_FOUND"),
    }
    assert at_fault(label({"n": 1}, scope="SITE", end=None)) == {("scopeType", "CONFLICT"), ("endAt", "REQUIRED")}
    assert at_fault(label({"n": 1}, end=NOW)) == {("endAt", "OUT_OF_RANGE")}


def test_a_class_in_use_only_widens() -> None:
    def other(**changes: Any) -> dict[str, Any]:
        return {**FORM, **changes}

    more = [*FORM["fields"], {"name": "new", "type": "TEXT"}]
    assert not labels.tightened(FORM, other(scopes=["DEVICE", "SITE"], temporality="ANY", fields=more))
    assert labels.tightened(FORM, other(scopes=["SITE"]))
    assert labels.tightened(FORM, other(temporality="POINT"))
    assert labels.tightened(FORM, other(fields=FORM["fields"][1:]))
    assert labels.tightened(FORM, other(fields=[*more, {"name": "r", "type": "TEXT", "required": True}]))


def profile(version: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"name": "climate", "version": version, "fields": list(fields)}


T: dict[str, Any] = {"name": "t", "type": "DOUBLE", "unit": "Cel", "min": -40, "max": 80}


@pytest.mark.parametrize(
    "field",
    [
        {**T, "type": "BIGINT"},
        {**T, "unit": "K"},
        {**T, "min": -30},
        {**T, "max": 70},
        {**T, "required": True},
        {**T, "name": "u"},
    ],
)
def test_a_minor_breaks_nothing(field: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        versions.check(profile("1.1", field), [profile("1.0", T)], "p")
    assert refused.value.code == "BREAKING_CHANGE_IN_MINOR"
    versions.check(profile("2.0", field), [profile("1.0", T)], "p")


def test_a_published_version_never_changes() -> None:
    versions.check(profile("1.0", T), [profile("1.0", T)], "p")
    versions.check(profile("1.1", {**T, "max": 90}, {"name": "u", "type": "TEXT"}), [profile("1.0", T)], "p")
    with pytest.raises(Problem) as refused:
        versions.check(profile("1.0", {**T, "max": 90}), [profile("1.0", T)], "p")
    assert (refused.value.status, refused.value.code) == (409, "PROFILE_VERSION_EXISTS")


def test_agreement_of_a_pair() -> None:
    primary, reference = {n: 2.0 * n + 1 for n in range(5)}, {n: float(n) for n in range(1, 6)}
    said = pairs.agreement(primary, reference)
    assert (said["samples"], said["slope"], said["intercept"]) == (4, pytest.approx(2), pytest.approx(1))
    assert said["bias"] == pytest.approx(sum(n + 1 for n in range(1, 5)) / 4)
    assert pairs.agreement({1: 1.0, 2: 2.0}, {1: 1.0, 2: 2.0}) == {"samples": 2}
    assert "pearson" not in pairs.agreement(dict.fromkeys(range(4), 1.0), dict.fromkeys(range(4), 1.0))


def test_what_is_of_a_sensor_profile_goes_to_the_components_that_fit() -> None:
    parts: Any = [{"id": "c1", "body": {"key": "n1", "profile": "p"}}, {"id": "c2", "body": {"key": "n2"}}]
    profiles = {"p": ("climate", 1), "q": ("climate", 1)}
    bound = {"targetType": "DEVICE", "targetId": "d", "profileType": "SENSOR_PROFILE", "profileId": "q"}
    assert desired.keys(bound, {("DEVICE", "d")}, parts, profiles) == ["n1"]
    assert desired.keys({**bound, "profileType": "DEVICE_PROFILE"}, {("DEVICE", "d")}, parts, profiles) == [""]
    assert desired.keys({**bound, "targetType": "COMPONENT", "targetId": "c2"}, set(), parts, profiles) == ["n2"]
    assert desired.keys({**bound, "targetType": "SENSOR_PROFILE", "targetId": "p"}, set(), parts, profiles) == ["n1"]


@pytest.mark.parametrize(
    ("after", "acknowledged", "more", "status"),
    [
        (10, None, {}, "REQUESTED"),
        (10, 5, {}, "ACTIVE"),
        (61, None, {}, "EXPIRED"),
        (100, 5, {}, "EXPIRED"),
        (100, 5, {"heardAt": 90}, "ACTIVE"),
        (601, 5, {"heardAt": 590}, "EXPIRED"),
        (20, 5, {"stoppedAt": 10}, "STOPPING"),
        (41, 5, {"stoppedAt": 10}, "STOPPED"),
    ],
)
def test_a_live_session_ends_by_the_clock(
    after: int, acknowledged: int | None, more: dict[str, int], status: str
) -> None:
    def at(seconds: int) -> datetime:
        return NOW + timedelta(seconds=seconds)

    body = {"heardAt": 0, "expiresAt": 600, **more}
    row: Any = {"body": {name: at(s).isoformat() for name, s in body.items()}, "created_at": NOW}
    order: Any = {"acknowledged_at": at(acknowledged)} if acknowledged is not None else None
    assert live.status(row, order, at(after)) == status
