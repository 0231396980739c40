"""Two organisations with one thing of every kind, and their credentials of every kind."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx

from infra.settings import Settings
from tests.contracts.bodies import Sample, stem
from tests.contracts.documents import Json, Operation
from tests.integration.contracts import things, told

Key = tuple[str, str]
PARAMETER = re.compile(r"\{([^}]*)\}")
SAME = {
    "model": "function",
    "dataset-version": "dataset",
    "model-version": "function",
    "scope": "site",
    "primary-component": "component",
    "reference-component": "component",
    "group": "device-group",
    "rule": "alert-rule",
    "profile": "sensor-profile",
    "target": "device",
}
"""Other names of things, in paths and bodies."""
CREATES = re.compile(r"^(?:create|submit)(?!.*[Bb]atch$)")
SECRETS = re.compile(r"^(?:signing_)?secret$|^(?:access_?)?token$", re.IGNORECASE)
"""Members of an answer that open something."""
ROUNDS = 4
"""A pack brings profiles, of which artefacts are made, which are bound."""


def singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return re.sub(r"(?<=ch|ss)es$|(?<=[^s])s$", "", word)


def listed(path: str) -> str:
    """What a list or a creation under this path holds."""
    kind = singular([part for part in path.split("/") if part and "{" not in part][-1])
    return SAME.get(kind, kind)


def named(path: str) -> Iterator[tuple[str, str]]:
    """(parameter, kind of thing by the part before it) of a path."""
    parts = path.split("/")
    for before, part in pairwise(parts):
        if found := PARAMETER.fullmatch(part):
            yield found[1], singular(before) if "{" not in before else ""


def creates(operation: Operation) -> bool:
    """A POST that says so in its answers or its name."""
    made = {"201", "202"} & set(operation.answers) or CREATES.match(operation.spec["operationId"])
    return operation.method in ("post", "put") and bool(made) and str(operation) not in things.CHANGES


class Patient(httpx.HTTPTransport):
    """Comes again when a busy server says when."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(5):
            answer = super().handle_request(request)
            if answer.status_code != 503 or "Retry-After" not in answer.headers:
                break
            answer.read()
            time.sleep(float(answer.headers["Retry-After"]))
        return answer


class Side:
    """One organisation."""

    def __init__(self, settings: Settings, api: str, name: str, said: Json, operations: list[Operation]) -> None:
        self.settings, self.said, self.operations = settings, said, operations
        self.mark: str = f"{name[0]}{uuid4().hex[:11]}"
        self.found: dict[Key, dict[Any, Json]] = defaultdict(dict)
        self.secrets: dict[str, str] = {}
        self.http = httpx.Client(base_url=api, timeout=60, trust_env=False, transport=Patient())

    def headers(self, operation: Operation) -> dict[str, str]:
        """The credential that the operation takes."""
        kind = "iot-token" if operation.surface == "iot" else operation.surface
        security = operation.spec.get("security") or []
        if security and all("deviceKey" in one for one in security):
            kind = "device"
        return self.credential(kind)

    def credential(self, kind: str) -> dict[str, str]:
        secret = self.secrets[kind]
        headers = {"device": {"X-Device-Key": secret}, "noxovision": {"X-API-Key": secret}}
        return headers.get(kind, {"Authorization": f"Bearer {secret}"})

    def fill(self) -> None:
        """Signs in, then makes what can be made until nothing new comes of it."""
        things.sign_in(self)
        things.enrol(self)
        things.certify(self)
        left = [one for one in self.operations if creates(one) and str(one) not in things.BY_HAND]
        for _ in range(ROUNDS):
            self.look()
            things.install(self)
            told.tell(self)
            left = [one for one in left if not self.made(one)]
        self.look()

    def made(self, operation: Operation) -> bool:
        for place in self.places(operation):
            answer = self.send(operation, place)
            if answer.is_success:
                self.keep(operation, place, answer)
                self.note_secrets(operation, answer)
                return True
        return False

    def note_secrets(self, operation: Operation, answer: httpx.Response) -> None:
        """What an answer holds that opens something: a link's token, a session's, what a receiver checks with."""
        for item in items(answer.json()):
            for name, value in item.items():
                if SECRETS.match(name) and isinstance(value, str):
                    self.secrets.setdefault(f"{name} of {operation}", value)

    def look(self) -> None:
        """Reads everything that can be read, and keeps the ids that it shows."""
        for operation in self.operations:
            if operation.method == "get" and not operation.path.startswith(things.NOBODYS):
                for place in self.places(operation):
                    answer = self.send(operation, place)
                    if answer.status_code == 200:
                        self.keep(operation, place, answer)

    def keep(self, operation: Operation, place: Json, answer: httpx.Response) -> None:
        """The ids of the things in an answer, each with the place that it was found in."""
        if operation.path.endswith("}") or "json" not in answer.headers.get("content-type", ""):
            return
        kind = listed(operation.path)
        there = self.found[operation.surface, kind]
        for item in items(answer.json()):
            known = {name.lower().replace("_", ""): value for name, value in item.items()}
            names = (
                name for name in (f"{kind}id", "id", "uuid", "nxid", "jobid", "serialnumber", "key") if known.get(name)
            )
            if isinstance(id := known.get(next(names, "")), str | int):
                there.setdefault(id, place)

    def known(self, surface: str, parameter: str, kind: str = "") -> dict[Any, Json]:
        """Ids of this organisation that fit a path's parameter, oldest first, with their places."""
        names = (kind, SAME.get(kind, ""), stem(parameter))
        return next((there for name in names if (there := self.found.get((surface, name)))), {})

    def places(self, operation: Operation) -> list[Json]:
        """Own ids for the operation's path: a few of the newest and the oldest; nothing when there is no such thing."""
        places: list[Json] = [{name: things.WORDS[name] for name, _ in named(operation.path) if name in things.WORDS}]
        for name, kind in reversed(list(named(operation.path))):
            own = list(self.known(operation.surface, name, kind).items())
            some = [*own[:-3:-1], *own[:1]]
            filled = [[place] if name in place else [{**at, **place, name: id} for id, at in some] for place in places]
            places = [place for several in filled for place in several]
        return places[:4]

    def sample(self, surface: str) -> Sample:
        return Sample(self.mark, lambda kind: self.newest(surface, kind))

    def newest(self, surface: str, kind: str) -> Any:
        return next(reversed(self.known(surface, "", kind) or [None]))

    def content(self, operation: Operation) -> Json:
        """The arguments of a request that the operation takes, fresh each time."""
        if made := things.CONTENT.get(str(operation)):
            return made(self)
        if "application/json" in operation.bodies:
            return {"json": self.sample(operation.surface).body(operation)}
        return {}

    def send(self, operation: Operation, place: Json, **more: Any) -> httpx.Response:
        """One request of this organisation's; `more` replaces what it would send."""
        path = filled(operation.path, place)
        headers, asked = more.pop("headers", {}), more.pop("params", {})
        body = more or (dict(self.content(operation)) if operation.method != "get" else {})
        headers = {**self.headers(operation), **body.pop("headers", {}), **headers}
        query = self.sample(operation.surface).query(operation)
        return self.http.request(operation.method, path, headers=headers, params={**query, **asked}, **body)


def items(said: Any) -> Iterator[Json]:
    """The things that an answer shows: itself, or the rows of its list."""
    match said:
        case list():
            yield from (one for one in said if isinstance(one, dict))
        case {"data": dict() | list() as data}:
            yield from items(data)
        case {"content": list() as rows} | {"jobs": list() as rows} | {"items": list() as rows}:
            yield from items(rows)
        case dict():
            yield said


def filled(path: str, values: Json) -> str:
    return PARAMETER.sub(lambda found: str(values[found[1]]), path)
