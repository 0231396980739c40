"""A key does what its scopes say, and nothing once it is revoked."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from infra.commands import Commands
from infra.secrets import digest, mint
from infra.settings import Settings
from schemas.base import Command, asking
from schemas.ids import new_id
from schemas.tenancy.messages import CreateApiKey, RevokeApiKey

CALLS = {
    "read": ("GET", "/status/capacity"),
    "submit": ("POST", "/request/video"),
    "webhooks": ("GET", "/webhooks/endpoints"),
}


def said(settings: Settings, organisation: str, stream: str, command: Command) -> None:
    """Sends a command of the organisation, as a surface would."""

    async def say() -> None:
        link = Commands(settings)
        await link.start()
        try:
            async with asyncio.timeout(20):
                while set(link.parts().values()) != {"ok"}:
                    await asyncio.sleep(0.05)
            await link.submit(command, asking(stream, organisation=organisation, actor="test"), wait=10)
        finally:
            await link.stop()

    asyncio.run(say())


@pytest.mark.parametrize("scopes", [("read",), ("submit",), ("webhooks",), ("read", "submit"), ("admin",), ()])
def test_a_key_does_what_its_scopes_say(
    stack: dict[str, Any], settings: Settings, anybody: httpx.Client, scopes: tuple[str, ...]
) -> None:
    organisation, secret, stream = stack["organisations"]["acme"]["id"], mint("nvk_"), f"key_{new_id()}"
    key = CreateApiKey(
        surface="noxovision", name="t", digest=digest(secret), prefix=secret[:12], role="member", scopes=scopes
    )
    said(settings, organisation, stream, key)
    for scope, (method, path) in CALLS.items():
        answer = anybody.request(method, path, headers={"X-API-Key": secret})
        if scope in scopes or "admin" in scopes:
            assert answer.status_code in (200, 415), answer.text
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    said(settings, organisation, stream, RevokeApiKey())
    time.sleep(0.5)  # revoked elsewhere: the notice of it is on its way to this process
    for method, path in CALLS.values():
        assert anybody.request(method, path, headers={"X-API-Key": secret}).status_code == 401
