"""Messages reach a real receiver, signed so that the public library accepts them; and whatever a receiver does is its
own affair."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from infra import clickhouse, postgres
from infra.local import record
from infra.objects import Objects
from infra.settings import Settings
from schemas.ids import derived_id, new_id
from schemas.webhooks.messages import Body, ChangeEndpoint, QueueMessage, RetryMessage, RotateEndpointSecret
from streams.webhooks.endpoints import receivers_stream
from streams.webhooks.messages import message_id
from tests.integration.webhooks.conftest import BODY, SECRET, Log, Receiver, failing, kind_of

pytestmark = pytest.mark.stack


async def test_signed_so_that_the_public_library_accepts_it(log: Log, receiver: Receiver) -> None:
    message = await log.queue(receiver.url("/ok"), headers=log.vault.seal('{"X-Mine":"token"}'))
    (call,) = await receiver.until("/ok")
    assert call.body == BODY.encode()
    assert Webhook(SECRET).verify(call.body, call.headers)["job_id"] == "video_1"
    assert call.headers["x-webhook-signature"] == hmac.new(SECRET.encode(), call.body, hashlib.sha256).hexdigest()
    assert call.headers["webhook-id"] == message_id(message)
    told = {"content-type": "application/json", "accept-encoding": "identity", "x-mine": "token"}
    told |= {"x-webhook-event": "video.finished", "x-webhook-attempt": "1", "x-webhook-job-id": "video_1"}
    assert told.items() <= call.headers.items()
    assert call.headers["content-length"] == str(len(call.body))
    assert "transfer-encoding" not in call.headers
    assert "cookie" not in call.headers
    row = await log.until(message, "delivered")
    assert (row["attempts"], row["last_status"], row["payload_bytes"]) == (1, 200, len(call.body))
    assert row["payload_sha256"] == hashlib.sha256(call.body).hexdigest()


async def test_the_delivery_log_has_it_without_secrets(log: Log, receiver: Receiver, settings: Settings) -> None:
    message = await log.queue(receiver.url("/logged"), headers=log.vault.seal('{"X-Mine":"token"}'))
    await log.until(message, "delivered")
    link = await clickhouse.async_client(settings)
    sql = "select * from attempts final where message = {message:String}"
    try:
        async with asyncio.timeout(10):
            while not (
                found := await clickhouse.read(link, settings, sql, log.organisation, {"message": message})
            ).row_count:
                await asyncio.sleep(0.05)
        assert (await clickhouse.read(link, settings, sql, new_id(), {"message": message})).row_count == 0
    finally:
        await link.close()
    row = dict(zip(found.column_names, found.first_row or (), strict=True))
    assert (row["outcome"], row["status"], row["remote_ip"], row["number"]) == ("success", 200, "127.0.0.1", 1)
    assert row["total_ms"] > 0
    assert '"X-Mine":"***"' in row["request_headers"].replace(" ", "")
    assert "token" not in str(row)
    assert "v1," not in str(row)


async def test_without_a_secret_it_is_not_signed(log: Log, receiver: Receiver) -> None:
    await log.queue(receiver.url("/plain"), secret=None)
    (call,) = await receiver.until("/plain")
    assert "webhook-signature" not in call.headers
    assert "x-webhook-signature" not in call.headers
    assert {"webhook-id", "webhook-timestamp"} <= call.headers.keys()


async def test_one_message_for_a_receiver_and_an_event(log: Log, receiver: Receiver) -> None:
    event, url = new_id(), receiver.url("/once")
    message = QueueMessage(
        receiver=derived_id(log.organisation, url),
        url=url,
        event_type="video.finished",
        event=event,
        occurred_at=datetime.now(UTC),
        body=Body(head=BODY),
    )
    stream = derived_id(event, message.receiver)
    for _ in range(5):
        await log.say(message, stream)
    await log.until(stream, "delivered")
    await asyncio.sleep(0.5)
    assert len(receiver.of("/once")) == 1


async def test_a_stored_result_is_sent_as_it_lies(log: Log, receiver: Receiver, settings: Settings) -> None:
    objects, key = Objects(settings), f"results/{new_id()}"
    await objects.put(key, b'{"big":"' + b"x" * 100_000 + b'"}')
    body = Body(head='{"result":', object=key, object_bytes=100_010, tail="}")
    sent = await log.queue(receiver.url("/stored"), body=body)
    (call,) = await receiver.until("/stored")
    assert call.body == b'{"result":' + await objects.get(key) + b"}"
    await objects.delete(key)
    gone = await log.queue(receiver.url("/gone"), body=body)
    assert (await log.until(gone, "cancelled"))["reason"] == "erased"
    await log.until(sent, "delivered")
    for _ in range(2):  # a try that cannot be made waits for nothing
        await log.say(RetryMessage(), sent)
        async with asyncio.timeout(10):
            while (row := await log.row(sent))["ready"] is not None:
                await asyncio.sleep(0.05)
        assert (row["state"], row["reason"], row["attempts"]) == ("delivered", "erased", 1)


async def test_retried_from_the_row_with_the_same_id_and_bytes(log: Log, receiver: Receiver) -> None:
    receiver.answers["/flaky"] = failing
    message = await log.queue(receiver.url("/flaky"))
    row = await log.until(message, "retry_scheduled")
    assert (row["attempts"], row["last_status"]) == (1, 500)
    assert timedelta(seconds=3) < row["due"] - row["updated_at"] < timedelta(seconds=6.5)
    del receiver.answers["/flaky"]
    first, second = await receiver.until("/flaky", 2)
    assert 3.9 < second.at - first.at < 7.5
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.headers["x-webhook-attempt"] == "2"
    Webhook(SECRET).verify(second.body, second.headers)
    assert (await log.until(message, "delivered"))["attempts"] == 2


async def test_a_redirect_is_not_followed(log: Log, receiver: Receiver) -> None:
    async def away(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": receiver.url("/secret-place"), "Set-Cookie": "a=b"})

    receiver.answers["/redirect"] = away
    row = await log.until(await log.queue(receiver.url("/redirect")), "retry_scheduled")
    assert (row["last_outcome"], row["last_status"]) == ("http_error", 302)
    assert not receiver.of("/secret-place")


async def test_gone_is_gone(log: Log, receiver: Receiver) -> None:
    async def gone(request: web.Request) -> web.Response:
        return web.Response(status=410)

    receiver.answers["/gone-for-good"] = gone
    assert (await log.until(await log.queue(receiver.url("/gone-for-good")), "cancelled"))["reason"] == "gone"


async def test_retry_after_is_honoured_and_holds_the_whole_receiver(log: Log, receiver: Receiver) -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "300"})

    receiver.answers["/busy"] = busy
    first = await log.until(await log.queue(receiver.url("/busy")), "retry_scheduled")
    assert first["due"] - first["updated_at"] > timedelta(seconds=290)
    second = await log.queue(receiver.url("/busy"))
    await asyncio.sleep(1.5)
    assert (await log.row(second))["attempts"] == 0
    assert len(receiver.of("/busy")) == 1


async def test_gigabytes_are_not_read(log: Log, receiver: Receiver) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65_536)
            sent += 65_536

    receiver.answers["/endless"] = endless
    await log.until(await log.queue(receiver.url("/endless")), "delivered", seconds=5)
    assert sent < 16 << 20


async def test_what_is_not_http(log: Log) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x16\x03\x01 what is this\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    row = await log.until(await log.queue(f"http://127.0.0.1:{port}/"), "retry_scheduled")
    assert row["last_outcome"] == "aborted"
    server.close()
    await server.wait_closed()
    row = await log.until(await log.queue(f"http://127.0.0.1:{port}/other"), "retry_scheduled")
    assert row["last_outcome"] == "connect_error"
    row = await log.until(await log.queue(f"https://127.0.0.1:{port}/tls"), "retry_scheduled")
    assert row["last_outcome"] == "connect_error"


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://169.254.169.254/latest", "https://[64:ff9b::a9fe:a9fe]/"])
async def test_a_refused_address_blocks_the_message(log: Log, url: str) -> None:
    row = await log.until(await log.queue(url), "blocked")
    assert (row["last_outcome"], row["last_status"]) == ("blocked_address", None)


async def test_a_receiver_that_hangs_holds_only_its_own_slots(log: Log, receiver: Receiver) -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    receiver.answers["/hang"] = hang
    endpoint = await log.endpoint(receiver.url("/hang"), timeout_seconds=5, max_in_flight=3)
    messages = [await log.announce(endpoint) for _ in range(6)]
    await receiver.until("/hang", 3)
    await log.until(await log.queue(receiver.url("/quick")), "delivered")
    assert len(receiver.of("/hang")) == 3, "none of those has come to its end"
    row = await log.until(messages[0], "retry_scheduled")
    assert row["last_outcome"] == "timeout"
    assert row["due"] - row["updated_at"] > timedelta(seconds=55)
    assert len(receiver.of("/hang")) <= 4


async def test_both_secrets_sign_while_the_old_one_lives(log: Log, receiver: Receiver) -> None:
    endpoint = await log.endpoint(receiver.url("/rotated"))
    new = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
    rotate = RotateEndpointSecret(endpoint=endpoint, secret=log.vault.seal(new), grace_seconds=60)
    await log.say(rotate, receivers_stream(log.organisation))
    await log.announce(endpoint)
    (call,) = await receiver.until("/rotated")
    assert call.headers["webhook-signature"].count("v1,") == 2
    for secret in (new, SECRET):
        assert Webhook(secret).verify(call.body, call.headers)["data"]["job_id"] == "video_1"
    assert call.headers["x-webhook-signature"] == hmac.new(new.encode(), call.body, hashlib.sha256).hexdigest()


async def test_an_endpoint_that_switches_itself_off_gets_nothing_more(log: Log, receiver: Receiver) -> None:
    async def enough(request: web.Request) -> web.Response:
        return web.Response(status=400, headers={"webhook-delivery": "disable"})

    receiver.answers["/enough"] = enough
    endpoint = await log.endpoint(receiver.url("/enough"))
    first = await log.announce(endpoint)
    assert (await log.until(first, "cancelled"))["reason"] == "disable"

    async def disabled(db: Any) -> Any:
        return await db.fetchrow(
            "select disabled_reason from webhooks.endpoints where id = $1 and state = 'disabled'", endpoint
        )

    found = await log.commands.until(log.organisation, disabled, wait=10)
    assert found is not None
    assert found["disabled_reason"] == "receiver_request"
    later = await log.announce(endpoint)
    await asyncio.sleep(0.5)
    assert await log.row(later) is None
    again = ChangeEndpoint(
        endpoint=endpoint,
        url=receiver.url("/again"),
        event_types=(kind_of(endpoint),),
        signing=("v1",),
        metadata={},
        state="active",
    )
    await log.say(again, receivers_stream(log.organisation))
    await log.until(await log.announce(endpoint), "delivered")


async def test_in_order_when_the_endpoint_wants_it(log: Log, receiver: Receiver) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        return web.Response()

    receiver.answers["/ordered"] = slow
    endpoint = await log.endpoint(receiver.url("/ordered"), fifo=True)
    messages = [await log.announce(endpoint) for _ in range(6)]
    calls = await receiver.until("/ordered", 6)
    assert [call.headers["webhook-id"] for call in calls] == [message_id(message) for message in messages]
    assert all(later.at - earlier.at > 0.045 for earlier, later in pairwise(calls))


async def test_in_the_pace_of_the_endpoint(log: Log, receiver: Receiver) -> None:
    endpoint = await log.endpoint(receiver.url("/paced"), throttle_per_second=10)
    for _ in range(20):
        await log.announce(endpoint)
    calls = await receiver.until("/paced", 20)
    assert calls[-1].at - calls[0].at > 1.7


async def test_one_more_try_when_asked_for(log: Log, receiver: Receiver) -> None:
    receiver.answers["/manual"] = failing
    endpoint = await log.endpoint(receiver.url("/manual"), delays=(3600,))
    message = await log.announce(endpoint)
    waiting = await log.until(message, "retry_scheduled")
    await log.say(RetryMessage(), message)
    await receiver.until("/manual", 2)
    await asyncio.sleep(0.3)
    assert (await log.row(message))["due"] == waiting["due"]
    del receiver.answers["/manual"]
    await log.say(RetryMessage(), message)
    assert (await log.until(message, "delivered"))["attempts"] == 3


async def test_a_killed_worker_repeats_what_was_on_its_way_and_nothing_else(
    log: Log, receiver: Receiver, settings: Settings
) -> None:
    done = [await log.queue(receiver.url(f"/done/{n}")) for n in range(5)]
    for message in done:
        await log.until(message, "delivered")
    gate = asyncio.Event()

    async def held(request: web.Request) -> web.Response:
        await gate.wait()
        return web.Response()

    receiver.answers["/held"] = held
    message = await log.queue(receiver.url("/held"))
    await receiver.until("/held")
    os.kill(record.read(settings.var)["processes"]["deliveries"], signal.SIGKILL)
    gate.set()
    await receiver.until("/held", 2, seconds=20)
    row = await log.until(message, "delivered")
    assert row["attempts"] == 1
    await asyncio.sleep(0.5)
    assert len(receiver.of("/held")) == 2
    assert len({call.headers["webhook-id"] for call in receiver.of("/held")}) == 1
    assert all(len(receiver.of(f"/done/{n}")) == 1 for n in range(5))


async def test_nobody_else_sees_it(log: Log, receiver: Receiver, settings: Settings, stack: dict[str, Any]) -> None:
    message = await log.queue(receiver.url("/mine"))
    await log.until(message, "delivered")
    pool = await postgres.pool(settings.postgres.api)
    try:
        for organisation, seen in ((log.organisation, 1), (stack["organisations"]["globex"]["id"], 0), ("", 0)):
            async with postgres.Reading(pool, organisation) as db:
                assert await db.fetchval("select count(*) from webhooks.messages where id = $1", message) == seen
                assert seen or await db.fetchval("select count(*) from streams.receivers") == 0
    finally:
        await pool.close()
