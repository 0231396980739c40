"""Clients of two organisations, devices, and a producer as one outside would be."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import fastavro
import httpx
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from infra.commands import Commands
from infra.settings import Settings
from schemas.ids import new_id


class Produce(Protocol):
    async def __call__(self, device: str, readings: list[dict[str, Any]], at: datetime | None = None) -> None: ...


Beat = Callable[..., Awaitable[list[dict[str, Any]]]]
Agent = tuple[str, Beat]
NOW = datetime.now(UTC).replace(microsecond=0)
MS = int(NOW.timestamp() * 1000)


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an error, in the contract's form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert (said["status"], said["code"]) == (status, code), said
    return said


def good(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def until(look: Callable[[], Awaitable[Any]], seconds: float = 30) -> Any:
    """What `look` finds in the end."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(0.1)
    return found


def client(stack: dict[str, Any], organisation: str | None, credential: str = "api_key") -> httpx.AsyncClient:
    headers = {}
    if organisation:
        headers = {"Authorization": f"Bearer {stack['organisations'][organisation]['iot'][credential]}"}
    return httpx.AsyncClient(base_url=f"{stack['api']}/api/v1", headers=headers, timeout=20)


@pytest.fixture
async def acme(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with client(stack, "acme") as made:
        yield made


@pytest.fixture
async def globex(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with client(stack, "globex", "token") as made:
        yield made


@pytest.fixture
async def nobody(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with client(stack, None) as made:
        yield made


async def virtual(of: httpx.AsyncClient, **more: Any) -> str:
    """Id of a new virtual device."""
    return str(good(await of.post("/devices", json={"name": f"virtual {new_id()}", **more}), 201)["id"])


@pytest.fixture
async def agent(acme: httpx.AsyncClient, stack: dict[str, Any]) -> AsyncIterator[Agent]:
    """A device that checks in, and its beat: what it is asked to do."""
    mark, user = new_id(), {"Authorization": f"Bearer {stack['organisations']['acme']['acusight']['token']}"}
    async with httpx.AsyncClient(base_url=f"{stack['api']}/api", timeout=20) as door:
        token = good(await door.post("/provisioning-tokens", headers=user, json={"name": mark}), 201)["data"]["token"]
        asked = {"token": token, "device_info": {"device_id": mark, "name": mark}}
        own = good(await door.post("/devices/provision", json=asked), 201)["data"]["api_key"]

        async def beat(**said: Any) -> list[dict[str, Any]]:
            answer = await door.post("/device/checkin", headers={"X-Device-Key": own}, json=said)
            actions: list[dict[str, Any]] = good(answer)["data"]["actions"]
            return actions

        async def listed() -> Any:
            return good(await acme.get("/devices", params={"q": mark}))["content"]

        yield (await until(listed))[0]["id"], beat


@pytest.fixture
async def commands(settings: Settings) -> AsyncIterator[Commands]:
    """Another way in than this surface."""
    made = Commands(settings)
    await made.start()
    async with asyncio.timeout(20):
        while set(made.parts().values()) != {"ok"}:
            await asyncio.sleep(0.05)
    yield made
    await made.stop()


@pytest.fixture
async def produce(stack: dict[str, Any]) -> AsyncIterator[Produce]:
    """Publishes readings of a device of acme: the schema from the registry, Avro, Confluent's frame, one a message.

    `at`: when they were sent."""
    producer = AIOKafkaProducer(bootstrap_servers=stack["kafka"], acks="all")
    await producer.start()
    async with httpx.AsyncClient(base_url=stack["api"]) as registry:
        subject = good(await registry.get("/api/schemas/subjects/telemetry.readings-value/versions/latest"))
    schema = fastavro.parse_schema(orjson.loads(subject["schema"]))
    prefix = b"\0" + int(subject["id"]).to_bytes(4, "big")

    async def send(device: str, readings: list[dict[str, Any]], at: datetime | None = None) -> None:
        id = new_id()
        organisation = stack["organisations"]["acme"]["id"]
        envelope = {"id": id, "stream": device, "organisation": organisation, "correlation": id}
        out = io.BytesIO()
        datum = {"envelope": {**envelope, "time": at or datetime.now(UTC)}, "device": device, "readings": readings}
        fastavro.schemaless_writer(out, schema, datum)
        await producer.send_and_wait("telemetry.readings", prefix + out.getvalue(), key=device.encode())

    yield send
    await producer.stop()


async def sensor_of(of: httpx.AsyncClient, device: str, key: str) -> str:
    """Id of a sensor once it has a value."""

    async def look() -> str | None:
        found = good(await of.get("/sensors", params={"deviceId": device, "key": key}))["content"]
        return found[0]["id"] if found and "lastValue" in found[0] else None

    return str(await until(look))
