"""Who may do what: tokens, roles, and the order in which a request is looked at."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from infra.identity import Identity
from infra.seed import token
from infra.settings import Settings
from tests.integration.acusight.conftest import data, error

pytestmark = pytest.mark.stack
Client = httpx.AsyncClient
READS = (
    "/organization",
    "/core/organization",
    "/core/devices",
    "/data/projects",
    "/data/batches",
    "/data/images",
    "/data/annotations",
    "/data/datasets",
    "/ml/training-jobs",
    "/ml/models",
    "/ml/export-jobs",
)
WRITES = (
    ("POST", "/data/projects"),
    ("POST", "/data/batches"),
    ("PATCH", "/data/batches/5"),
    ("PATCH", "/data/images/5"),
    ("POST", "/data/annotations"),
    ("POST", "/data/datasets"),
    ("POST", "/ml/training-jobs"),
    ("POST", "/ml/training-jobs/5/cancel"),
    ("POST", "/ml/export-jobs"),
    ("PATCH", "/ml/models/5"),
    ("POST", "/data/batches/5/uploads"),
    ("PUT", "/data/batches/5/images/split"),
)
KEEPS = (
    ("POST", "/provisioning-tokens"),
    ("GET", "/core/provisioning-tokens"),
    ("DELETE", "/provisioning-tokens/x"),
    ("PATCH", "/organization"),
    ("PATCH", "/core/devices/none"),
    ("POST", "/core/devices/none/rotate-key"),
    ("DELETE", "/data/projects/5"),
    ("DELETE", "/data/batches/5"),
    ("DELETE", "/data/images/5"),
    ("DELETE", "/data/datasets/5"),
    ("DELETE", "/ml/models/5"),
)


@pytest.fixture
async def anyone(stack: dict[str, Any], settings: Settings) -> AsyncIterator[Client]:
    """A client whose `as_(role)` headers say who calls."""
    async with httpx.AsyncClient(base_url=f"{stack['api']}/api", timeout=15) as client:
        yield client


def as_(settings: Settings, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(settings, 'acme', role, 'acusight')}"}


async def test_reading(anyone: Client, settings: Settings) -> None:
    for path in READS:
        error(await anyone.get(path), 401, "UNAUTHORIZED")
        error(await anyone.get(path, headers=as_(settings, "guest")), 403, "FORBIDDEN")
        data(await anyone.get(path, headers=as_(settings, "viewer")))


@pytest.mark.parametrize(("method", "path"), [*WRITES, *KEEPS])
async def test_credential_then_role_then_what_was_sent(
    anyone: Client, settings: Settings, method: str, path: str
) -> None:
    error(await anyone.request(method, path, content="{"), 401, "UNAUTHORIZED")
    reaches = "viewer" if (method, path) in WRITES else "member"
    error(await anyone.request(method, path, content="{", headers=as_(settings, reaches)), 403, "FORBIDDEN")
    may = "member" if (method, path) in WRITES else "admin"
    answer = await anyone.request(method, path, content="{", headers=as_(settings, may))
    if path.rsplit("/", 1)[-1] in ("x", "5", "none") or "/5/" in path or "/none/" in path:
        assert answer.status_code == (400 if path.endswith("/x") else 404), answer.text
    elif method != "GET":
        error(answer, 400, "VALIDATION_ERROR")


async def test_tokens_that_are_none(anyone: Client, settings: Settings, stack: dict[str, Any]) -> None:
    identity, said = Identity(settings), {"organization_id": stack["organisations"]["acme"]["id"], "roles": ["admin"]}
    good = identity.issue("acusight", "somebody", **said)
    data(await anyone.get("/organization", headers={"Authorization": f"Bearer {good}"}))
    head, body, signature = good.split(".")
    for wrong in (
        identity.issue("iot", "somebody", **said),
        identity.issue("acusight", "somebody", -120, **said),
        identity.issue("acusight", "somebody", **said, nbf=int(time.time()) + 120),
        identity.issue("acusight", "somebody", **said | {"organization_id": "acme"}),
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        "adk_" + "0" * 64,
    ):
        answer = await anyone.get("/organization", headers={"Authorization": f"Bearer {wrong}"})
        error(answer, 401, "UNAUTHORIZED")


async def test_clocks_may_differ_by_less_than_a_minute(
    anyone: Client, settings: Settings, stack: dict[str, Any]
) -> None:
    identity, said = Identity(settings), {"organization_id": stack["organisations"]["acme"]["id"], "roles": ["admin"]}
    late = identity.issue("acusight", "somebody", -30, **said)
    early = identity.issue("acusight", "somebody", **said, nbf=int(time.time()) + 30)
    for signed in (late, early):
        data(await anyone.get("/organization", headers={"Authorization": f"Bearer {signed}"}))
