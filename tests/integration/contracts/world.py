"""Two organisations with one thing of every kind, and their credentials of every kind."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any
from uuid import uuid4

import httpx

from tests.contracts.bodies import Sample, stem
from tests.contracts.documents import Json, Operation
from tests.integration.contracts import things

Key = tuple[str, str]
PARAMETER = re.compile(r"\{([^}]*)\}")
SAME = {"model": "function"}
"""A path that calls a thing by another name."""
CREATES = re.compile(r"^(?:create|submit)(?!.*[Bb]atch$)")
ENTRANCES = ("nx", "acusight", "device", "iot", "iot-token", "noxovision")


def singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return re.sub(r"(?<=ch)es$|(?<=[^s])s$", "", word)


def listed(path: str) -> str:
    """What a list or a creation under this path holds."""
    return singular([part for part in path.split("/") if part and "{" not in part][-1])


def named(path: str) -> Iterator[tuple[str, str]]:
    """(parameter, kind of thing by the part before it) of a path."""
    parts = path.split("/")
    for before, part in zip(parts, parts[1:], strict=False):
        if found := PARAMETER.fullmatch(part):
            kind = singular(before) if "{" not in before else ""
            yield found[1], SAME.get(kind, kind)


def creates(operation: Operation) -> bool:
    """A POST that says so in its answers or its name."""
    made = {"201", "202"} & set(operation.answers) or CREATES.match(operation.spec["operationId"])
    return operation.method == "post" and bool(made)


class Side:
    """One organisation."""

    def __init__(self, stack: Json, name: str, operations: list[Operation]) -> None:
        self.stack, self.name, self.operations = stack, name, operations
        self.said: Json = stack["organisations"][name]
        self.mark = f"{name[0]}{uuid4().hex[:11]}"
        self.ids: dict[Key, list[Any]] = defaultdict(list)
        self.shown: dict[str, set[str]] = defaultdict(set)
        self.secrets: dict[str, str] = {}
        self.http = httpx.Client(base_url=stack["api"], timeout=60, trust_env=False)

    def headers(self, operation: Operation) -> dict[str, str]:
        """The credential that the operation takes."""
        kind = operation.surface
        if any("deviceKey" in one for one in operation.spec.get("security") or ()):
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
        for _ in range(3):
            self.look()
            left = [one for one in left if not self.made(one)]
        self.look()

    def made(self, operation: Operation) -> bool:
        for path in self.paths(operation):
            answer = self.send(operation, path)
            if answer.is_success:
                self.keep(operation.surface, listed(path), answer)
                return True
        return False

    def look(self) -> None:
        """Reads everything that can be read, and keeps the ids that it shows."""
        for operation in self.operations:
            if operation.method == "get" and not operation.path.startswith("/api/schemas"):
                for path in self.paths(operation):
                    answer = self.send(operation, path)
                    if answer.status_code == 200:
                        self.keep(operation.surface, listed(operation.path), answer)

    def keep(self, surface: str, kind: str, answer: httpx.Response) -> None:
        if "json" not in answer.headers.get("content-type", ""):
            return
        for item in items(answer.json()):
            known = {name.lower().replace("_", ""): value for name, value in item.items()}
            for name in (f"{kind}id", "id", "uuid", "nxid", "jobid", "serialnumber"):
                if isinstance(known.get(name), str | int) and known[name] not in self.ids[surface, kind]:
                    self.ids[surface, kind].append(known[name])
                if known.get(name) is not None:
                    break

    def known(self, surface: str, parameter: str, kind: str = "") -> list[Any]:
        """Ids of this organisation that fit a path's parameter."""
        return self.ids.get((surface, kind)) or self.ids.get((surface, stem(parameter)), [])

    def paths(self, operation: Operation, most: int = 2) -> list[str]:
        """The operation's path with own ids, the newest first; nothing when there is no such thing."""
        names = list(named(operation.path))
        own = [self.known(operation.surface, *one)[-most:][::-1] for one in names]
        return [filled(operation.path, dict(zip((n for n, _ in names), c, strict=True))) for c in product(*own)][:4]

    def sample(self, surface: str) -> Sample:
        return Sample(self.mark, lambda kind: next(reversed(self.ids.get((surface, kind)) or [None])))

    def content(self, operation: Operation) -> Json:
        """The arguments of a request that the operation takes, fresh each time."""
        if made := things.CONTENT.get(str(operation)):
            return made(self)
        if "application/json" in operation.bodies:
            return {"json": self.sample(operation.surface).body(operation)}
        return {}

    def send(self, operation: Operation, path: str, **more: Any) -> httpx.Response:
        """One request of this organisation's; `more` replaces what it would send."""
        headers = {**self.headers(operation), **more.pop("headers", {})}
        query = self.sample(operation.surface).query(operation)
        body = more or (self.content(operation) if operation.method != "get" else {})
        return self.http.request(operation.method, path, headers=headers, params=query, **body)


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
