"""A test message to a notification channel, told as it ended (contract, 6.11)."""

from __future__ import annotations

import asyncio
import hmac
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request

from api.auth import Caller
from api.gateway import Gate
from api.iot import plain
from api.iot.alerting import CHANNEL
from api.iot.answers import Answer, Shown, path_id, present, stamp, told
from api.iot.auth import Admin
from api.iot.problems import Problem
from api.iot.readings import Stores
from infra.clickhouse import Reader
from infra.vault import Vault
from projections.webhooks import tries
from schemas.ids import derived_id
from schemas.webhooks.messages import Body, QueueMessage
from streams.webhooks.messages import ONCE

router = APIRouter(prefix="/v1", tags=["Alert rules and channels"])
ChannelId = Annotated[str, path_id("channelId")]
EVERY = 10
"""Seconds in which a channel is tested once."""
LOOK, PATIENCE = 0.1, 20.0
NO_MAIL = {"success": False, "error": "No mail server is set up here.", "durationMs": 0}


class ChannelTestResult(Shown):
    success: bool
    status_code: int | None = None
    error: str | None = None
    duration_ms: int


@router.post("/notification-channels/{channelId}/test", **told(ChannelTestResult, 403, 404, 429))
async def test_notification_channel(
    request: Request, id: ChannelId, caller: Admin, gate: Gate, stores: Stores
) -> Answer:
    """Send a test message; 200 also when it did not arrive"""
    channel = await plain.fetched(gate, caller, CHANNEL, id)
    if channel["body"]["type"] == "EMAIL":
        return Answer(NO_MAIL)
    now = int(time.time())
    message = derived_id(channel["id"], f"test/{now // EVERY}")
    command = sample(request.app.state.vault, caller, channel["id"], channel["body"], message, now)
    if not (await gate.ask(command, stream=message, caller=caller)).events:
        wait = str(EVERY - now % EVERY)
        raise Problem(429, "RATE_LIMITED", f"A channel is tested once in {EVERY} s.", headers={"Retry-After": wait})
    return Answer(result(await tried(stores, caller, message)))


def sample(vault: Vault, caller: Caller, id: str, channel: dict[str, Any], message: str, now: int) -> QueueMessage:
    """A message that is tried once; it is signed here, for it is sent at once or not at all."""
    at = datetime.fromtimestamp(now, UTC)
    said = {"type": "test", "id": message, "sentAt": stamp(at), "organizationId": caller.organisation}
    body = orjson.dumps(said)
    headers = {name: vault.open(value) for name, value in (channel.get("headers") or {}).items()}
    if "secret" in channel:
        headers["X-Signature"] = signature(vault.open(channel["secret"]), now, body)
    return QueueMessage(
        receiver=id,
        url=channel["url"],
        event_type=ONCE,
        event=message,
        occurred_at=at,
        body=Body(head=body.decode()),
        headers=vault.seal(orjson.dumps(headers).decode()) if headers else None,
    )


def signature(secret: str, now: int, body: bytes) -> str:
    return f"t={now},v1=" + hmac.new(secret.encode(), f"{now}.".encode() + body, "sha256").hexdigest()


async def tried(stores: Reader, caller: Caller, message: str) -> dict[str, Any]:
    """The try, once the delivery log has it.

    Errors: Problem 503.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := await tries.attempts(stores, caller.organisation, message):
            return found[-1]
        await asyncio.sleep(LOOK)
    detail = "The test is queued and not in the log yet."
    raise Problem(503, "DEPENDENCY_UNAVAILABLE", detail, headers={"Retry-After": str(EVERY)})


def result(attempt: dict[str, Any]) -> dict[str, Any]:
    good = attempt["outcome"] == "success"
    error = None if good else attempt["outcome"].replace("_", " ")
    duration = round(attempt["total_ms"])
    return present(success=good, statusCode=attempt["status"], error=error, durationMs=duration)
