"""`Idempotency-Key` on every POST that creates: a repeat gives the first answer, another body is refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.contracts.documents import Json, Operation
from tests.integration.contracts import things
from tests.integration.contracts.world import Side, creates

NOT_OFFERED = {
    **things.BY_HAND,
    "POST /api/v1/devices/registration/tokens": "the answer holds a secret (contract, 2)",
}


def creating(operations: list[Operation]) -> list[Operation]:
    return [one for one in operations if creates(one) and str(one) not in NOT_OFFERED]


def test_the_list_is_of_routes_there_are(operations: list[Operation]) -> None:
    there = {str(one) for one in operations}
    assert set(NOT_OFFERED) <= there
    assert there >= things.CHANGES


def test_a_repeat_gives_the_first_answer(operations: list[Operation], mine: Side) -> None:
    wrong: list[Any] = []
    for one in creating(operations):
        for place in mine.places(one)[:1]:
            key, body = {"Idempotency-Key": uuid4().hex}, mine.content(one)
            first, again = (repeated(mine, one, place, body, key) for _ in range(2))
            other = repeated(mine, one, place, mine.content(one), key)
            same = (first.status_code, first.content) == (again.status_code, again.content)
            if not first.is_success or not same or other.status_code not in (409, 422):
                wrong.append((str(one), *((a.status_code, a.text[:300]) for a in (first, again, other))))
    assert wrong == []


def repeated(side: Side, one: Operation, place: Json, body: Json, key: dict[str, str]) -> Any:
    return side.send(one, place, **{**body, "headers": {**body.get("headers", {}), **key}})
