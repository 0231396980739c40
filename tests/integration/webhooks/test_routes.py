"""The operations on endpoints, deliveries and events, as a caller makes them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook

from schemas.ids import new_id
from tests.integration.webhooks.conftest import Log, Receiver, failing, kind_of

pytestmark = pytest.mark.stack


async def client(stack: dict[str, Any], organisation: str | None) -> AsyncIterator[httpx.AsyncClient]:
    key = {"X-API-Key": stack["organisations"][organisation]["noxovision"]["api_key"]} if organisation else {}
    async with httpx.AsyncClient(base_url=f"{stack['api']}/api/v0/", headers=key, timeout=60, trust_env=False) as one:
        yield one


@pytest.fixture
async def acme(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async for one in client(stack, "acme"):
        yield one


@pytest.fixture
async def globex(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async for one in client(stack, "globex"):
        yield one


async def created(caller: httpx.AsyncClient, url: str, **more: Any) -> dict[str, Any]:
    answer = await caller.post("webhooks/endpoints", json={"url": url, "event_types": ["webhook.test"], **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"/api/v0/webhooks/endpoints/{answer.json()['endpoint_id']}")
    found: dict[str, Any] = answer.json()
    return found


async def changed(caller: httpx.AsyncClient, id: str, **more: Any) -> dict[str, Any]:
    answer = await caller.patch(f"webhooks/endpoints/{id}", json=more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def until_state(caller: httpx.AsyncClient, id: str, *states: str) -> dict[str, Any]:
    async with asyncio.timeout(15):
        while (found := (await caller.get(f"webhooks/deliveries/{id}")).json()).get("state") not in states:
            await asyncio.sleep(0.05)
    return dict(found)


async def test_an_endpoint_from_birth_to_death(acme: httpx.AsyncClient, receiver: Receiver) -> None:
    one = await created(acme, receiver.url("/life?token=abc"), headers={"X-Token": "t0ken"}, description="a")
    id, secret = one["endpoint_id"], one.pop("signing_secret")
    assert (one["state"], one["circuit"], one["headers"]) == ("active", "closed", {"X-Token": "***"})
    assert (await acme.get(f"webhooks/endpoints/{id}")).json() == one
    assert id in [row["endpoint_id"] for row in (await acme.get("webhooks/endpoints")).json()["data"]]
    answer = await acme.post(f"webhooks/endpoints/{id}/test")
    assert answer.status_code == 200, answer.text
    tried = answer.json()
    assert (tried["outcome"], tried["trigger"], tried["number"], tried["status_code"]) == ("success", "test", 1, 200)
    (call,) = receiver.of("/life")
    assert call.headers["x-token"] == "t0ken"
    said = Webhook(secret).verify(call.body, call.headers)
    assert (said["type"], said["data"]["test"]) == ("webhook.test", True)
    shown = (await acme.get(f"webhooks/deliveries/{tried['delivery_id']}")).json()
    assert (shown["state"], shown["url"]) == ("delivered", receiver.url("/life?token=***"))
    page = (await acme.get(f"webhooks/deliveries/{tried['delivery_id']}/attempts")).json()
    assert page == {"data": [tried], "next_cursor": None}
    changed_ = await changed(acme, id, description=None, timeout_seconds=3, state="paused")
    assert (changed_["description"], changed_["timeout_seconds"], changed_["state"]) == (None, 3, "paused")
    assert changed_["headers"] == {"X-Token": "***"}
    assert (await acme.post(f"webhooks/endpoints/{id}/test")).json()["code"] == "endpoint.disabled"
    assert (await acme.delete(f"webhooks/endpoints/{id}")).status_code == 204
    assert (await acme.get(f"webhooks/endpoints/{id}")).status_code == 404


async def test_a_repeat_with_its_key_is_the_same_endpoint_and_secret(
    acme: httpx.AsyncClient, receiver: Receiver
) -> None:
    body, key = {"url": receiver.url("/again")}, {"Idempotency-Key": new_id()}
    first, second = [await acme.post("webhooks/endpoints", json=body, headers=key) for _ in range(2)]
    assert first.json() == second.json()
    other = await acme.post("webhooks/endpoints", json={**body, "description": "b"}, headers=key)
    assert other.status_code == 422
    await acme.delete(f"webhooks/endpoints/{first.json()['endpoint_id']}")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "http://hooks.example.com/"}, "/url"),
        ({"url": "https://user@hooks.example.com/"}, "/url"),
        ({"url": "https://h.example.com/", "headers": {"Host": "x"}}, "/headers/Host"),
        ({"url": "https://h.example.com/", "headers": {"webhook-id": "x"}}, "/headers/webhook-id"),
        ({"url": "https://h.example.com/", "secret": "whsec_" + "A" * 31}, "/secret"),
        ({"url": "https://h.example.com/", "timeout_seconds": 31}, "/timeout_seconds"),
        ({"url": "https://h.example.com/", "event_types": ["no good"]}, "/event_types/0"),
        ({"url": "https://h.example.com/", "retry_schedule_seconds": [0]}, "/retry_schedule_seconds/0"),
        ({"url": "https://h.example.com/", "mtls": {"client_certificate_pem": "x", "client_key_pem": "y"}}, "/mtls"),
    ],
)
async def test_what_is_wrong_is_named(acme: httpx.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    answer = await acme.post("webhooks/endpoints", json=body)
    assert answer.status_code == 422, answer.text
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]


async def test_rotation(acme: httpx.AsyncClient, receiver: Receiver) -> None:
    one = await created(acme, receiver.url("/rotation"))
    answer = await acme.post(f"webhooks/endpoints/{one['endpoint_id']}/rotate-secret", json={"grace_seconds": 60})
    assert answer.status_code == 200, answer.text
    expires = datetime.fromisoformat(answer.json()["previous_expires_at"])
    assert timedelta(seconds=50) < expires - datetime.now(UTC) <= timedelta(seconds=61)
    await acme.post(f"webhooks/endpoints/{one['endpoint_id']}/test")
    (call,) = receiver.of("/rotation")
    for secret in (one["signing_secret"], answer.json()["signing_secret"]):
        Webhook(secret).verify(call.body, call.headers)
    await acme.delete(f"webhooks/endpoints/{one['endpoint_id']}")


async def test_asymmetric_signatures(acme: httpx.AsyncClient, stack: dict[str, Any], receiver: Receiver) -> None:
    one = await created(acme, receiver.url("/ed25519"), signing=["v1a", "rfc9421"])
    await acme.post(f"webhooks/endpoints/{one['endpoint_id']}/test")
    (call,) = receiver.of("/ed25519")
    async with httpx.AsyncClient(trust_env=False) as anybody:
        address = f"{stack['api']}/api/v0/webhooks/signing-keys"
        assert (await anybody.get(address)).json() == {"keys": []}
        organisation = stack["organisations"]["acme"]["id"]
        (key,) = (await anybody.get(address, params={"organisation": organisation})).json()["keys"]
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key["public_key"].removeprefix("whpk_")))
    signature = call.headers["webhook-signature"].removeprefix("v1a,")
    text = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    public.verify(base64.b64decode(signature), text)
    assert key["key_id"] in call.headers["signature-input"]
    assert "x-webhook-signature" not in call.headers
    await acme.delete(f"webhooks/endpoints/{one['endpoint_id']}")


async def test_a_paused_endpoint_gets_its_messages_later(acme: httpx.AsyncClient, log: Log, receiver: Receiver) -> None:
    endpoint = await log.endpoint(receiver.url("/paused"))
    await changed(acme, endpoint, state="paused")
    messages = [await log.announce(endpoint) for _ in range(2)]
    await asyncio.sleep(1.2)
    assert not receiver.of("/paused")
    assert (await acme.get(f"webhooks/deliveries/{messages[0]}")).json()["state"] == "pending"
    await changed(acme, endpoint, state="active")
    for message in messages:
        assert (await until_state(acme, message, "delivered"))["attempt_count"] == 1


async def test_an_open_circuit_holds_what_comes(acme: httpx.AsyncClient, log: Log, receiver: Receiver) -> None:
    receiver.answers["/circuit"] = failing
    endpoint = await log.endpoint(receiver.url("/circuit"), delays=(3600,))
    for message in [await log.announce(endpoint) for _ in range(10)]:
        await until_state(acme, message, "retry_scheduled")
    assert (await acme.get(f"webhooks/endpoints/{endpoint}")).json()["circuit"] == "open"
    held = await log.announce(endpoint)
    await asyncio.sleep(1.2)
    waiting = (await acme.get(f"webhooks/deliveries/{held}")).json()
    assert (waiting["state"], waiting["attempt_count"], len(receiver.of("/circuit"))) == ("pending", 0, 10)
    assert (await acme.post(f"webhooks/deliveries/{held}/cancel")).status_code == 200


async def test_retry_and_cancel(acme: httpx.AsyncClient, log: Log, receiver: Receiver) -> None:
    receiver.answers["/no"] = failing
    endpoint = await log.endpoint(receiver.url("/no"), delays=(3600,))
    id = await log.announce(endpoint)
    waiting = await until_state(acme, id, "retry_scheduled")
    assert (waiting["attempt_count"], waiting["last_status_code"], waiting["last_error"]) == (1, 500, "http_error")
    assert (await acme.post(f"webhooks/deliveries/{id}/retry")).status_code == 202
    await receiver.until("/no", 2)
    stopped = await acme.post(f"webhooks/deliveries/{id}/cancel")
    assert stopped.status_code == 200, stopped.text
    assert (stopped.json()["state"], stopped.json()["next_attempt_at"]) == ("cancelled", None)
    del receiver.answers["/no"]
    assert (await acme.post(f"webhooks/deliveries/{id}/retry")).status_code == 202
    assert (await until_state(acme, id, "delivered"))["attempt_count"] == 3
    assert (await acme.post(f"webhooks/deliveries/{id}/cancel")).status_code == 409
    page = (await acme.get("webhooks/deliveries", params={"endpoint_id": endpoint, "state": "delivered"})).json()
    assert [row["delivery_id"] for row in page["data"]] == [id]


async def test_a_blocked_delivery_is_not_tried_again(acme: httpx.AsyncClient, log: Log) -> None:
    id = await log.queue("https://10.1.2.3/")
    await until_state(acme, id, "blocked")
    assert (await acme.post(f"webhooks/deliveries/{id}/retry")).status_code == 409


async def test_disabled_then_recovered(acme: httpx.AsyncClient, log: Log, receiver: Receiver) -> None:
    async def gone(request: web.Request) -> web.Response:
        return web.Response(status=410)

    receiver.answers["/back"] = failing
    endpoint = await log.endpoint(receiver.url("/back"), delays=(3600,))
    begin = datetime.now(UTC)
    waiting = await log.announce(endpoint)
    await until_state(acme, waiting, "retry_scheduled")
    receiver.answers["/back"] = gone
    last = await log.announce(endpoint)
    await until_state(acme, last, "cancelled")
    async with asyncio.timeout(10):
        while (found := (await acme.get(f"webhooks/endpoints/{endpoint}")).json())["state"] != "disabled":
            await asyncio.sleep(0.05)
    assert found["disabled_reason"] == "gone"
    assert (await until_state(acme, waiting, "endpoint_disabled"))["next_attempt_at"] is None
    unseen = await log.announce(endpoint)
    recover = {"since": begin.isoformat(), "mode": "missing"}
    assert (await acme.post(f"webhooks/endpoints/{endpoint}/recover", json=recover)).status_code == 409
    del receiver.answers["/back"]
    again = await changed(acme, endpoint, state="active")
    assert again["missed_messages"] == 2
    assert again["recover_url"] == f"/api/v0/webhooks/endpoints/{endpoint}/recover"
    await asyncio.sleep(1.2)
    assert len(receiver.of("/back")) == 2
    answer = await acme.post(f"webhooks/endpoints/{endpoint}/recover", json=recover)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["matched"], answer.json()["queued"]) == (2, 2)
    for id in (waiting, unseen):
        await until_state(acme, id, "delivered")


async def test_events_can_be_read_instead(acme: httpx.AsyncClient, globex: httpx.AsyncClient, log: Log) -> None:
    seen = (await acme.get("events", params={"limit": 250})).json()
    while not seen["done"]:
        seen = (await acme.get("events", params={"limit": 250, "iterator": seen["iterator"]})).json()
    nobody = new_id()
    waiting = asyncio.create_task(
        acme.get("events", params={"iterator": seen["iterator"]}, headers={"Prefer": "wait=10"})
    )
    await log.announce(nobody)
    found = (await waiting).json()
    assert [(entry["event"]["type"], entry["event"]["data"]["job_id"]) for entry in found["data"]] == [
        (kind_of(nobody), "video_1")
    ]
    assert found["done"] is True
    rest = (await acme.get("events", params={"iterator": found["iterator"]})).json()
    assert rest == {"data": [], "iterator": found["iterator"], "done": True}
    others = (await globex.get("events", params={"limit": 250})).json()
    assert kind_of(nobody) not in str(others)
    assert (await acme.get("events", params={"iterator": "x"})).status_code == 400


async def test_nobody_else_has_it(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, log: Log, receiver: Receiver
) -> None:
    one = await created(acme, receiver.url("/ours"))
    id = await log.queue(receiver.url("/ours"))
    await until_state(acme, id, "delivered")
    for group, ours in (("endpoints", one["endpoint_id"]), ("deliveries", id)):
        theirs, random = [await globex.get(f"webhooks/{group}/{which}") for which in (ours, new_id())]
        assert theirs.status_code == random.status_code == 404
        assert theirs.json()["code"] == random.json()["code"]
    assert (await globex.get(f"webhooks/deliveries/{id}/attempts")).status_code == 404
    assert (await globex.post(f"webhooks/deliveries/{id}/retry")).status_code == 404
    assert (await globex.delete(f"webhooks/endpoints/{one['endpoint_id']}")).status_code == 404
    assert (await globex.post(f"webhooks/endpoints/{one['endpoint_id']}/test")).status_code == 404
    await acme.delete(f"webhooks/endpoints/{one['endpoint_id']}")


async def test_the_catalogue(acme: httpx.AsyncClient) -> None:
    types = (await acme.get("webhooks/event-types")).json()["data"]
    assert {"video.finished", "webhook.test"} <= {one["name"] for one in types}
    assert (await acme.get("webhooks/source-ips")).json()["cidrs"] == []
