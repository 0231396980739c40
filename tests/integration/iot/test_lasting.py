"""What is kept of answers and credentials gives way to what happens elsewhere."""

from typing import Any

import httpx
import pytest

from infra.commands import Commands
from schemas.base import asking
from schemas.ids import new_id
from schemas.records.messages import PutRecord, RetireRecord
from tests.integration.iot.conftest import client, good, problem, until

pytestmark = pytest.mark.stack


async def test_a_change_from_elsewhere_shows_and_stays(
    acme: httpx.AsyncClient, log: Commands, stack: dict[str, Any]
) -> None:
    site = good(await acme.post("/sites", json={"name": f"first {new_id()}"}), 201)["id"]
    organisation = stack["organisations"]["acme"]["id"]
    for n in range(20):
        name = f"{site} {n}"
        put = PutRecord(kind="site", body={"name": name})
        await log.submit(put, asking(site, organisation=organisation), wait=10)

        async def shown(name: str = name) -> bool:  # whoever else wrote it may hear of it a moment before the API does
            return bool(good(await acme.get(f"/sites/{site}"))["name"] == name)

        await until(shown, 2)
        read = [good(await acme.get(f"/sites/{site}"))["name"] for _ in range(3)]
        listed = [good(await acme.get("/sites", params={"q": name}))["page"]["totalElements"] for _ in range(2)]
        assert (read, listed) == ([name] * 3, [1] * 2)
    await log.submit(RetireRecord(kind="site"), asking(site, organisation=organisation), wait=10)

    async def gone() -> bool:
        return (await acme.get(f"/sites/{site}")).status_code == 404

    await until(gone, 2)
    problem(await acme.get(f"/sites/{site}"), 404, "NOT_FOUND")


async def kept(stack: dict[str, Any]) -> float:
    """How many answers were sent as they were before."""
    async with httpx.AsyncClient() as anybody:
        lines = (await anybody.get(f"{stack['api']}/metrics")).text.splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith('sightlog_lasting_answers_total{came="kept"}')
    )


async def test_an_answer_is_built_once(acme: httpx.AsyncClient, stack: dict[str, Any]) -> None:
    """Other tests may record something of the organisation meanwhile, but not between all of these."""
    site = good(await acme.post("/sites", json={"name": f"once {new_id()}"}), 201)["id"]
    before = await kept(stack)
    for _ in range(20):
        good(await acme.get(f"/sites/{site}"))
        good(await acme.get("/sites"))
    assert await kept(stack) - before > 20


async def test_what_one_was_told_is_not_told_to_another(acme: httpx.AsyncClient, stack: dict[str, Any]) -> None:
    site = good(await acme.post("/sites", json={"name": f"ours {new_id()}"}), 201)["id"]
    assert [good(await acme.get(f"/sites/{site}"))["id"] for _ in range(2)] == [site] * 2
    async with client(stack, "globex") as globex, client(stack, None) as nobody:
        problem(await globex.get(f"/sites/{site}"), 404, "NOT_FOUND")
        problem(await nobody.get(f"/sites/{site}"), 401, "UNAUTHENTICATED")


async def test_a_revoked_key_opens_nothing_any_more(acme: httpx.AsyncClient, stack: dict[str, Any]) -> None:
    made = good(await acme.post("/api-keys", json={"name": f"key {new_id()}", "role": "MEMBER"}), 201)
    headers = {"Authorization": f"Bearer {made['key']}"}
    async with httpx.AsyncClient(base_url=f"{stack['api']}/api/v1", headers=headers, timeout=20) as holder:
        for _ in range(3):
            good(await holder.get("/sites"))
        good(await acme.delete(f"/api-keys/{made['id']}"), 204)
        problem(await holder.get("/sites"), 401, "UNAUTHENTICATED")
