"""What both submits share: the terms of a job, the identity of a request, and what the surface holds for them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson
from fastapi import Request

from api.auth import Caller
from api.gateway import Gateway, Unavailable, asked
from api.noxovision.limits import Limits
from api.noxovision.paths import BASE
from api.noxovision.problems import Problem, invalid, invalid_header
from api.noxovision.status import Figures
from api.noxovision.wire import WebhookConfig
from infra.objects import Objects
from infra.settings import Settings
from infra.vault import Vault
from projections.analysis import queries
from projections.models import queries as models
from projections.tenancy import queries as tenancy
from schemas.analysis.messages import ModelUse
from schemas.ids import derived_id, is_id, new_id
from streams.analysis.envelope import job_id, result_url
from streams.webhooks.addresses import Policy

USUAL_SECONDS = 3600
MOST_SECONDS = 2**31 - 1
KEY_LONGEST = 255
KEY_KEPT = timedelta(hours=24)
MODELS_MOST = 5
"""Of an organisation's models the newest that finds things in pictures is used: so many are looked at."""


class Terms(msgspec.Struct, frozen=True):
    """What a job may take, what it uses, and the quota's headers."""

    headers: dict[str, str]
    max_processing_time: int
    models: tuple[ModelUse, ...]
    named: tuple[str, ...]
    options: dict[str, Any]


class Draft:
    """A job that is being asked for. `earlier`: fingerprint of the request that came first with its key, if any."""

    def __init__(self, kind: str, id: str, earlier: str | None) -> None:
        self.id, self.earlier = id, earlier
        self.shown = job_id(kind, id)
        self.webhook: bytes = b""

    def note(self, config: WebhookConfig | None) -> None:
        """The webhook is part of what must be equal in a repeat."""
        if config is not None:
            self.webhook = orjson.dumps(config.model_dump(), option=orjson.OPT_SORT_KEYS)

    def fingerprint(self, media: str, terms: Terms) -> str:
        """SHA-256 over the body and the headers that mean something."""
        said = orjson.dumps([media, terms.max_processing_time, terms.named, hashlib.sha256(self.webhook).hexdigest()])
        return hashlib.sha256(said).hexdigest()


class Door:
    """Held once for each process."""

    def __init__(self, settings: Settings, objects: Objects, vault: Vault, figures: Figures) -> None:
        self.objects = objects
        self.vault = vault
        self.figures = figures
        self.base = settings.api.public_url.rstrip("/") + BASE
        self.limits = Limits(settings.noxovision.submits_per_minute)
        self.running: set[str] = set()
        self.policy = Policy(
            ports=frozenset(settings.webhooks.ports),
            loopback=settings.webhooks.allow_loopback_http,
            own_names=frozenset({urlsplit(self.base).hostname or ""}),
        )

    def location(self, kind: str, id: str) -> str:
        return result_url(self.base, kind, id)

    async def terms(self, request: Request, caller: Caller, gate: Gateway) -> Terms:
        """Quota, room, then headers: the contract's order of checks.

        Errors: Problem 429, 503, 400, 422; Unavailable.
        """
        headers = self.limits.take(caller.actor)
        if gate.parts()["kafka"] != "ok":  # before gigabytes are taken in
            raise Unavailable("kafka")
        await self.figures.admit(gate)
        ceiling = max_processing_time(request)
        key = request.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= KEY_LONGEST:
            raise invalid_header("Idempotency-Key", f"1 to {KEY_LONGEST} characters")
        named = model_ids(request)
        async with gate.reading(caller) as db:
            found = await models.for_analysis(db, list(named) or None, MODELS_MOST)
            organisation = await tenancy.organisation(db)
        if named and {row["id"] for row in found} != set(named):
            raise invalid("X-Model", "unknown_model", "no such model that is ready")
        settings = organisation["settings"] if organisation else {}
        uses = tuple(ModelUse(id=r["id"], digest=r["digest"], key=r["key"], name=r["name"]) for r in found)
        return Terms(headers, ceiling, uses, named, options_of(settings))

    @asynccontextmanager
    async def draft(self, request: Request, caller: Caller, gate: Gateway, kind: str) -> AsyncIterator[Draft]:
        """The job's id: new, or the one that this `Idempotency-Key` leads to.

        Errors: Problem 409 while the first request with the key is still being read.
        """
        ask = asked(request, caller)
        if not ask.keyed:
            yield Draft(kind, new_id(), None)
            return
        id, earlier = await self.identity(ask.id, caller, gate)
        if id in self.running:
            raise Problem(409, "idempotency_in_flight", "the first request with this key is still running")
        self.running.add(id)
        try:
            yield Draft(kind, id, earlier)
        finally:
            self.running.discard(id)

    async def identity(self, ask: str, caller: Caller, gate: Gateway) -> tuple[str, str | None]:
        """A key is good for a day; then it may name another job."""
        async with gate.reading(caller) as db:
            turn = 0
            while True:
                id = derived_id(ask, f"job/{turn}")
                row = await queries.asked_for(db, id)
                if row is None:
                    return id, None
                if row["created_at"] > datetime.now(UTC) - KEY_KEPT:
                    return id, row["fingerprint"]
                turn += 1


def options_of(settings: dict[str, Any]) -> dict[str, Any]:
    """What the organisation has chosen for its analyses."""
    found = {"critical": settings.get("critical_tags", [])}
    return found | {"retention_hours": settings["retention_hours"]} if "retention_hours" in settings else found


def max_processing_time(request: Request) -> int:
    text = ", ".join(request.headers.getlist("max-processing-time"))
    if "max-processing-time" not in request.headers:
        return USUAL_SECONDS
    if not re.fullmatch(r"\+?[0-9]{1,10}", text) or int(text) > MOST_SECONDS:
        raise invalid_header("Max-Processing-Time", f"an integer from 0 to {MOST_SECONDS}")
    return int(text)


def model_ids(request: Request) -> tuple[str, ...]:
    text = request.headers.get("x-model")
    if text is None:
        return ()
    ids = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(map(is_id, ids)) or len(ids) > MODELS_MOST:
        raise invalid_header("X-Model", f"1 to {MODELS_MOST} model ids, separated by commas")
    return ids
