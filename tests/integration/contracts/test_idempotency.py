"""`Idempotency-Key` on every POST that creates: a repeat gives the first answer, another body is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.contracts.documents import Json, Operation
from tests.integration.contracts import things
from tests.integration.contracts.world import Side, creates, items

pytestmark = pytest.mark.timeout(900)
NOT_OFFERED = {
    **things.BY_HAND,
    "POST /api/v1/devices/registration/tokens": "the answer holds a secret (contract, 2)",
    "POST /api/v1/api-keys": "the answer holds a secret",
    "POST /api/v1/firmware/{firmwareId}/download-tokens": "the answer holds a secret",
    "POST /api/v1/config-artefacts/upload-url": "the answer holds a secret",
    "POST /api/v1/cameras/{cameraId}/live": "the answer holds a secret",
    "PUT /api/v1/desired-state-bindings": "again is the same by itself: 201 made, 200 there",
}
SIGNED = {"POST /api/v1/firmware": "firmware"}
"""Answers with a link that is signed anew each time, and the member beside it."""


def creating(operations: list[Operation]) -> list[Operation]:
    return [one for one in operations if creates(one) and str(one) not in NOT_OFFERED]


def test_nearly_all_can_be_made(operations: list[Operation], mine: Side) -> None:
    unmade = {str(one) for one in creating(operations) if not any(a.is_success for a in tries(mine, one))}
    assert unmade <= things.UNMADE, unmade - things.UNMADE


def tries(side: Side, one: Operation) -> Iterator[httpx.Response]:
    for place in side.places(one):
        yield side.send(one, place)


def test_the_list_is_of_routes_there_are(operations: list[Operation]) -> None:
    there = {str(one) for one in operations}
    assert set(NOT_OFFERED) <= there
    assert there >= things.CHANGES


def test_the_header_is_declared_where_it_is_taken(operations: list[Operation]) -> None:
    """In the dialect whose contract names it at each route."""
    made = [one for one in operations if one.surface == "iot" and creates(one)]
    declared = {str(one) for one in made if any(p["name"] == "Idempotency-Key" for p in one.parameters("header"))}
    assert declared == {str(one) for one in made} - NOT_OFFERED.keys()


def test_a_repeat_gives_the_first_answer(operations: list[Operation], mine: Side) -> None:
    wrong: list[str] = []
    for one in creating(operations):
        answers = repeats(mine, one)
        if answers and not (same(one, *answers[:2]) and answers[2].status_code in (409, 422)):
            wrong.append(f"{one}: " + " | ".join(f"{a.status_code} {a.text[:300]}" for a in answers))
    assert not wrong, "\n".join(wrong)


def repeats(side: Side, one: Operation) -> list[httpx.Response]:
    """One request twice and another body, all under one key, where the thing can be made."""
    for place in side.places(one):
        key, body = {"Idempotency-Key": uuid4().hex}, side.content(one)
        first = repeated(side, one, place, body, key)
        if first.is_success:
            return [first, *(repeated(side, one, place, sent, key) for sent in (body, side.content(one)))]
    return []


def same(one: Operation, first: httpx.Response, again: httpx.Response) -> bool:
    """Two dialects promise the first answer's bytes; in the others the one thing is shown as it is by now."""
    if not first.is_success or first.status_code != again.status_code:
        return False
    if str(one) in SIGNED:
        return bool(first.json()[SIGNED[str(one)]] == again.json()[SIGNED[str(one)]])
    if one.surface in ("iot", "noxovision"):
        return first.content == again.content
    (shown,), (later,) = (list(items(answer.json())) for answer in (first, again))
    own = {"id", "UUID", "image_id"} & shown.keys()
    return all(shown[name] == later[name] for name in own) if own else bool(shown == later)


def repeated(side: Side, one: Operation, place: Json, body: Json, key: dict[str, str]) -> Any:
    return side.send(one, place, **{**body, "headers": {**body.get("headers", {}), **key}})
