"""While the object store is away nothing is accepted, and it is said so."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import pytest

from infra.objects import directory
from infra.settings import Settings
from tests.integration.noxovision.calls import png


@pytest.fixture
def no_store(settings: Settings) -> Iterator[None]:
    """The store's directory is somewhere else for a moment."""
    where = directory(settings.objects.url)
    away = where.with_name("objects.away")
    where.rename(away)
    where.touch()
    yield
    where.unlink()
    away.rename(where)


@pytest.mark.usefixtures("no_store")
def test_submits_are_refused_for_now(acme: httpx.Client, clip: bytes) -> None:
    image = {"data_base64": base64.b64encode(png("x")).decode()}
    for answer in (
        acme.post("/request/video", content=clip),
        acme.post("/request/images", json={"images": [image]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
