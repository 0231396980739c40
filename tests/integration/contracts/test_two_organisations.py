"""Every published route with two organisations: what is another's is not there, and no credential fits another door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from tests.contracts.bodies import Sample, stem
from tests.contracts.documents import Json, Operation
from tests.integration.contracts.things import NOBODYS, WORDS
from tests.integration.contracts.world import Side, filled, listed, named

# Filling two organisations with one of everything takes long on a busy machine.
pytestmark = pytest.mark.timeout(900)
OPEN = {
    *("GET /cpt/", "GET /cpt/openapi.json", "GET /cpt/openapi.html"),
    *("GET /dev/", "GET /dev/openapi.json", "GET /dev/openapi.html"),
    *("GET /cdb/openapi.json", "GET /authorize", "POST /authorize", "POST /cdb/oauth2/token"),
    *("POST /api/devices/provision", "GET /api/health"),
    *(
        "POST /api/v1/devices/provision",
        "POST /api/v1/devices/provision/renew",
        "GET /api/v3/api-docs",
        "GET /api/v1/firmware/download/{token}",
    ),
    "POST /api/v1/billing/webhook",
    *("GET /api/schemas/message/{name}", "GET /api/schemas/ids/{id}", "GET /api/schemas/subjects"),
    *("GET /api/schemas/subjects/{subject}/versions", "GET /api/schemas/subjects/{subject}/versions/{version}"),
    *("GET /api/v0/healthz", "GET /api/v0/readyz"),
    *("GET /api/v0/webhooks/source-ips", "GET /api/v0/webhooks/signing-keys"),
}
"""What answers without a credential, or takes one in its body or a certificate."""
OF_THIS_REQUEST = {"traceId", "request_id", "instance"}
ANONYMOUS = {"GET /dev/nxai/model/{uuid}"}
"""Serves what is in public catalogues to anyone; the rest is absent for whom it is not."""
Statuses = dict[str, int]
RUN = re.compile(r"[0-9a-f]{4,}")
FITS = {"iot": {"iot", "iot-token"}, "acusight": {"acusight"}, "nx": {"nx"}, "noxovision": {"noxovision"}}


def guarded(operations: list[Operation]) -> list[Operation]:
    return [one for one in operations if str(one) not in OPEN]


def owned(operations: list[Operation]) -> Iterator[tuple[Operation, list[tuple[str, str]]]]:
    """Operations with the parameters of their paths that are ids of somebody's."""
    for one in guarded(operations):
        if ids := [(name, kind) for name, kind in named(one.path) if name not in WORDS]:
            yield one, ids


def at_random(id: Any) -> Any:
    """An id of the same form that nobody has."""
    if isinstance(id, int):
        return id + 7_919
    digits = "0123456789abcdef"
    # Version and variant of a UUID stay as they are.
    return RUN.sub(lambda run: run[0][0] + "".join(digits[(int(d, 16) * 7 + 5) % 16] for d in run[0][1:]), id)


def said(answer: httpx.Response, *ids: Any) -> tuple[int, Any]:
    """Status and body, without what differs between any two requests, and without the ids that were asked for."""
    text = answer.text
    for id in sorted(map(str, ids), key=len, reverse=True):
        text = text.replace(id, "<id>")
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return answer.status_code, text
    return answer.status_code, without(body)


def without(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: without(value) for name, value in body.items() if name not in OF_THIS_REQUEST}
    return [without(one) for one in body] if isinstance(body, list) else body


def statuses(operations: list[Operation], side: Side) -> Statuses:
    """What each thing of an organisation answers to it."""
    return {
        f"{one} {sorted(place.items())}": side.send(one, place).status_code
        for one, _ in owned(operations)
        for place in side.places(one)
        if one.method == "get"
    }


@pytest.fixture(scope="module", autouse=True)
def before(operations: list[Operation], theirs: Side) -> Statuses:
    return statuses(operations, theirs)


def test_what_is_open_is_known(operations: list[Operation]) -> None:
    assert {str(one) for one in operations if not one.spec.get("security")} == OPEN


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_there_is_something_to_ask_for(operations: list[Operation], whose: str, request: pytest.FixtureRequest) -> None:
    """A route for whose ids nothing was made would be walked with random ids only."""
    side: Side = request.getfixturevalue(whose)
    blind = [f"{one}: {name}" for one, ids in owned(operations) for name, _ in blind_for(side, one, ids)]
    assert not blind, "\n  ".join(["No id for these; `things.py` must make one, or `told.py` tell of one:", *blind])


def blind_for(side: Side, one: Operation, ids: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind in ids if not side.known(one.surface, name, kind)]


def test_own_ids_are_answered(operations: list[Operation], mine: Side) -> None:
    unseen = [
        str(one)
        for one, _ in owned(operations)
        if one.method == "get"
        if all(mine.send(one, place).status_code in (400, 404) for place in mine.places(one))
    ]
    assert unseen == []


def foreign(one: Operation, ids: list[tuple[str, str]], mine: Side, theirs: Side) -> Iterator[tuple[Json, Json]]:
    """(with an id of theirs, with a random id instead) at each parameter, and at all of them."""
    nobody = {name: str(uuid4()) for name, _ in named(one.path)}
    own = next(iter(mine.places(one)), nobody)
    for name, kind in ids:
        for id in list(theirs.known(one.surface, name, kind))[-2:]:
            yield {**own, name: id}, {**own, name: at_random(id)}
    for place in theirs.places(one)[:1]:
        yield place, {name: at_random(id) for name, id in place.items()}


def test_ids_of_another_organisation_are_unknown(operations: list[Operation], mine: Side, theirs: Side) -> None:
    told = []
    for one, ids in owned(operations):
        for place, nowhere in foreign(one, ids, mine, theirs):
            body = {} if one.method == "get" else mine.content(one)
            answers = [said(mine.send(one, at, **body), *at.values()) for at in (place, nowhere)]
            # In one dialect, removing what is not there has been done already.
            if answers[0] != answers[1] or (answers[0][0] < 400 and one.method != "delete"):
                told.append((str(one), place, *answers))
    assert told == []


def test_ids_of_another_organisation_in_a_query_find_nothing(
    operations: list[Operation], mine: Side, theirs: Side
) -> None:
    """A filter by what is another's finds what a filter by a random id does."""
    told, blind = [], []
    for one in guarded(operations):
        for name in filters(one):
            id = theirs.newest(one.surface, stem(name))
            blind += [] if id else [f"{one}: {name}"]
            for place in mine.places(one)[:1] if id else ():
                answers = [said(mine.send(one, place, params={name: sent}), sent) for sent in (id, at_random(id))]
                if answers[0] != answers[1]:
                    told.append((str(one), name, id, *answers))
    assert blind == []
    assert told == []


def filters(one: Operation) -> list[str]:
    """Parameters of a list's query that are ids."""
    names = [parameter["name"] for parameter in one.parameters("query")] if one.method == "get" else []
    return [name for name in names if stem(name)]


def test_ids_of_another_organisation_in_a_body_are_unknown(
    operations: list[Operation], mine: Side, theirs: Side
) -> None:
    told = []
    for one in guarded(operations):
        if "application/json" in one.bodies and one.method != "get":
            asked: set[Any] = set()
            body = Sample(mine.mark, picking(theirs, one, asked), whole=True).body(one)
            nowhere = replaced(body, asked)
            for place in mine.places(one)[:1] if body != nowhere else ():
                answers = [
                    said(mine.send(one, place, json=sent), *asked, *map(at_random, asked)) for sent in (body, nowhere)
                ]
                unknown = answers[0][0] >= 400 or "NOT_FOUND" in str(answers[0][1])
                if answers[0] != answers[1] or not unknown:
                    told.append((str(one), body, *answers))
    assert told == []


def picking(side: Side, one: Operation, picked: set[Any]) -> Callable[[str], Any]:
    """The newest thing of a kind, noted."""

    def pick(kind: str) -> Any:
        id = side.newest(one.surface, kind)
        picked.update({id} - {None})
        return id

    return pick


def replaced(body: Any, ids: set[Any]) -> Any:
    """The body with random ids in place of these."""
    match body:
        case dict():
            return {name: replaced(value, ids) for name, value in body.items()}
        case list():
            return [replaced(value, ids) for value in body]
        case str() | int() if body in ids and not isinstance(body, bool):
            return at_random(body)
    return body


def leaves(body: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    match body:
        case dict():
            for member, value in body.items():
                yield from leaves(value, member)
        case list():
            for value in body:
                yield from leaves(value, name)
        case str() | int():
            yield name, body


def test_lists_hold_nothing_of_another(operations: list[Operation], mine: Side, theirs: Side) -> None:
    told = []
    for one in guarded(operations):
        if one.method == "get" and not one.path.startswith(NOBODYS):
            foreign_ids = {id for id in theirs.found[one.surface, listed(one.path)] if any(map(str.isdigit, str(id)))}
            for place in mine.places(one):
                answer = mine.send(one, place)
                shown = {value for _, value in leaves(orjson.loads(answer.content))} if json(answer) else set()
                if theirs.mark in answer.text or shown & foreign_ids or theirs.said["id"] in answer.text:
                    told.append((str(one), place, answer.text))
    assert told == []


def json(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "") and bool(answer.content)


def test_credentials_open_their_own_doors_only(operations: list[Operation], mine: Side) -> None:
    """Every other secret, in every header that a door reads, and none at all."""
    opened = []
    for one in guarded(operations):
        fits = {"device"} if "X-Device-Key" in mine.headers(one) else FITS[one.surface]
        if any("deviceKey" in way for way in one.spec.get("security") or ()):
            fits = fits | {"device"}
        path = filled(one.path, next(iter(mine.places(one)), dict.fromkeys((n for n, _ in named(one.path)), "x")))
        for kind in {*mine.secrets, "none"} - fits:
            secret = mine.secrets.get(kind)
            headers = (
                {"Authorization": f"Bearer {secret}", "X-Device-Key": secret, "X-API-Key": secret} if secret else {}
            )
            answer = mine.http.request(one.method, path, headers=headers)
            if kind == "none" and str(one) in ANONYMOUS and answer.status_code == 404:
                continue
            if answer.status_code not in (401, 403) or not json(answer):
                opened.append((str(one), kind, answer.status_code, answer.text[:200]))
    assert opened == []


def test_nothing_of_theirs_was_touched(before: Statuses, operations: list[Operation], theirs: Side) -> None:
    """Runs last: after the walk, all that could be read can be read."""
    after = statuses(operations, theirs)
    assert {what: (status, after[what]) for what, status in before.items() if after[what] != status} == {}
