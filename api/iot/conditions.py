"""The condition language of alert rules: which operator goes with which value (contract, 6.11). Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from api.iot.answers import Body, Text
from api.iot.problems import invalid

ConditionType = Literal["VALUE", "AGGREGATE"]
Aggregate = Literal["AVG", "MIN", "MAX", "COUNT"]
Operator = Literal[
    "GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL", "EQUALS", "NOT_EQUALS", "BETWEEN",
    "NOT_BETWEEN", "IS_TRUE", "IS_FALSE", "CONTAINS", "NOT_CONTAINS",
]  # fmt: skip
ORDER = {"GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL", "BETWEEN", "NOT_BETWEEN"}
SAME = {"EQUALS", "NOT_EQUALS"}
TRUTH = {"IS_TRUE", "IS_FALSE"}
RANGE = {"BETWEEN", "NOT_BETWEEN"}
FITS: dict[str, set[str]] = {
    "DOUBLE": ORDER | SAME,
    "BIGINT": ORDER | SAME,
    "BOOLEAN": SAME | TRUTH,
    "TEXT": SAME | {"CONTAINS", "NOT_CONTAINS"},
}
NUMERIC = ("DOUBLE", "BIGINT")


class AlertCondition(Body):
    """Condition language."""

    type: ConditionType
    aggregate: Aggregate | None = None
    window_seconds: int | None = Field(default=None, ge=10, le=604_800)
    operator: Operator
    value: float | bool | Annotated[Text, Field(max_length=1000)] | None = None
    upper_value: float | None = None
    tolerance: float | None = Field(default=None, ge=0)
    case_sensitive: bool | None = None
    min_samples: int | None = Field(default=None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def whole(self) -> Self:
        if self.type == "AGGREGATE" and (self.aggregate is None or self.window_seconds is None):
            raise ValueError("an AGGREGATE has aggregate and windowSeconds")
        if self.type == "VALUE" and (self.aggregate is not None or self.window_seconds is not None):
            raise ValueError("aggregate and windowSeconds are for an AGGREGATE")
        if (self.value is None) != (self.operator in TRUTH):
            raise ValueError("every operator but IS_TRUE and IS_FALSE compares with value")
        if (self.upper_value is None) == (self.operator in RANGE):
            raise ValueError("upperValue is for BETWEEN and NOT_BETWEEN, which need it")
        return self


def check(condition: AlertCondition, value_type: str) -> None:
    """Errors: Problem 422 OPERATOR_TYPE_MISMATCH for a pair outside the table."""
    aggregated = condition.type == "AGGREGATE"
    if aggregated and condition.aggregate != "COUNT" and value_type not in NUMERIC:
        raise misfit("condition.aggregate", f"{condition.aggregate} is not for {value_type}.")
    compared = "DOUBLE" if aggregated else value_type
    if condition.operator not in FITS[compared]:
        raise misfit("condition.operator", f"{condition.operator} is not for {compared}.")
    if condition.operator not in TRUTH and not comparable(condition.value, compared):
        raise misfit("condition.value", f"is not a {compared}")


def comparable(value: Any, value_type: str) -> bool:
    if value_type == "BOOLEAN":
        return isinstance(value, bool)
    if value_type == "TEXT":
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool)


def misfit(field: str, message: str) -> Exception:
    return invalid(field, "CONFLICT", message, 422, "OPERATOR_TYPE_MISMATCH")
