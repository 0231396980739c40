"""What is named stays, what hangs on something goes with it (contract, 6.3, 6.5, 6.7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from infra.commands import Commands, Refused
from schemas.base import asking
from schemas.ids import new_id
from schemas.records.messages import RetireRecord
from tests.integration.iot.conftest import NOW, good, problem, sensor_of, virtual

pytestmark = pytest.mark.stack
CONDITION = {"type": "VALUE", "operator": "GREATER_THAN", "value": 30}


async def component(of: httpx.AsyncClient, device: str, key: str) -> str:
    return str(good(await of.post("/components", json={"deviceId": device, "key": key}), 201)["id"])


async def sensor(of: httpx.AsyncClient, part: str) -> str:
    body = {"componentId": part, "key": "t", "valueType": "DOUBLE"}
    return str(good(await of.post("/sensors", json=body), 201)["id"])


async def rule(of: httpx.AsyncClient, sensor: str) -> str:
    body = {"name": "hot", "sensorId": sensor, "condition": CONDITION, "severity": "INFO"}
    return str(good(await of.post("/alert-rules", json=body), 201)["id"])


async def test_a_sensor_stays_while_a_rule_names_it(
    acme: httpx.AsyncClient, commands: Commands, stack: dict[str, Any]
) -> None:
    part = await component(acme, await virtual(acme), "n1")
    named = await sensor(acme, part)
    hot = await rule(acme, named)
    problem(await acme.delete(f"/sensors/{named}"), 409, "SENSOR_IN_USE")
    problem(await acme.delete(f"/components/{part}"), 409, "COMPONENT_IN_USE")
    organisation = stack["organisations"]["acme"]["id"]
    with pytest.raises(Refused) as refused:
        await commands.submit(RetireRecord(kind="sensor"), asking(named, organisation=organisation))
    assert refused.value.code == "still_referenced"
    good(await acme.delete(f"/alert-rules/{hot}"), 204)
    good(await acme.delete(f"/sensors/{named}"), 204)
    good(await acme.delete(f"/components/{part}"), 204)


async def test_a_rule_that_moves_on_lets_go(acme: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    first, second = [await sensor(acme, await component(acme, device, key)) for key in ("n1", "n2")]
    hot = await rule(acme, first)
    body = {"name": "hot", "sensorId": second, "condition": CONDITION, "severity": "INFO"}
    good(await acme.put(f"/alert-rules/{hot}", json=body))
    good(await acme.delete(f"/sensors/{first}"), 204)
    problem(await acme.delete(f"/sensors/{second}"), 409, "SENSOR_IN_USE")


async def test_a_component_stays_while_a_pair_names_it(acme: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    parts = [await component(acme, device, key) for key in ("n1", "n2")]
    body = {"primaryComponentId": parts[0], "referenceComponentId": parts[1], "validFrom": NOW.isoformat()}
    pair = good(await acme.post("/reference-pairs", json=body), 201)["id"]
    for part in parts:
        problem(await acme.delete(f"/components/{part}"), 409, "COMPONENT_IN_USE")
    good(await acme.delete(f"/reference-pairs/{pair}"), 204)
    for part in parts:
        good(await acme.delete(f"/components/{part}"), 204)


async def profiles(of: httpx.AsyncClient) -> tuple[str, dict[str, str]]:
    """Key of an installed pack, and the ids of the profiles that it brought."""
    mark = new_id()
    fields = [{"name": "temp", "type": "DOUBLE", "required": True, "writable": True, "unit": "Cel", "max": 80}]
    part = {"key": "main", "sensorProfileName": mark, "sensorProfileVersion": "1.0", "required": True}
    manifest = {
        "key": f"p-{mark}",
        "name": "P",
        "version": "1.0.0",
        "sensorProfiles": [{"name": mark, "version": "1.0", "fields": fields}],
        "deviceProfiles": [{"name": mark, "version": "1.0", "components": [part]}],
    }
    good(await of.post("/packs", json=manifest), 201)
    installed = good(await of.post(f"/packs/{manifest['key']}/install"))
    return str(manifest["key"]), {item["kind"]: item["resourceId"] for item in installed["items"]}


async def test_a_device_has_what_its_profile_lists(acme: httpx.AsyncClient) -> None:
    pack, brought = await profiles(acme)
    declared = brought["DEVICE_PROFILE"]
    body = {"deviceName": f"gw {new_id()}", "deviceProfileId": declared}
    minted = good(await acme.post("/devices/registration/tokens", json=body), 201)
    made = (minted["deviceId"], await virtual(acme, deviceProfileId=declared))
    for device in made:
        shown = good(await acme.get(f"/devices/{device}"))["deviceProfile"]
        assert (shown["id"], shown["version"]) == (declared, "1.0")
        (part,) = good(await acme.get(f"/devices/{device}/components"))
        assert (part["key"], part["sensorProfile"]["id"]) == ("main", brought["SENSOR_PROFILE"])
    structured = {"componentKey": "main", "timestamp": NOW.isoformat(), "values": {"temp": 21.5}}
    good(await acme.post("/readings", json={"deviceId": made[1], "readings": [structured]}), 202)
    measured = good(await acme.get(f"/sensors/{await sensor_of(acme, made[1], 'temp')}"))
    assert (measured["unit"], measured["max"], measured["autoCreated"]) == ("Cel", 80, True)
    listed = good(await acme.get("/devices", params={"deviceProfileId": declared}))["content"]
    assert {one["deviceProfile"]["id"] for one in listed} == {declared}
    problem(await acme.delete(f"/packs/{pack}/install"), 409, "PACK_IN_USE")
    for device in made:
        good(await acme.delete(f"/devices/{device}"), 204)
    good(await acme.delete(f"/packs/{pack}/install"), 204)


async def test_what_is_on_a_device_goes_with_it(acme: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    parts = [await component(acme, device, key) for key in ("n1", "n2")]
    named = await sensor(acme, parts[0])
    pair = {"primaryComponentId": parts[0], "referenceComponentId": parts[1], "validFrom": NOW.isoformat()}
    places = [
        f"/cameras/{good(await acme.post('/cameras', json={'deviceId': device, 'name': 'F'}), 201)['id']}",
        f"/alert-rules/{await rule(acme, named)}",
        f"/reference-pairs/{good(await acme.post('/reference-pairs', json=pair), 201)['id']}",
        *(f"/components/{part}" for part in parts),
        f"/sensors/{named}",
    ]
    good(await acme.delete(f"/devices/{device}"), 204)
    for place in places:
        problem(await acme.get(place), 404, "NOT_FOUND")
    since = (NOW - timedelta(days=1)).isoformat()
    problem(await acme.get(f"/readings/sensor/{named}", params={"from": since}), 404, "NOT_FOUND")


async def test_bindings_go_with_their_group(acme: httpx.AsyncClient) -> None:
    _, brought = await profiles(acme)
    mark = new_id()
    group = good(await acme.post("/device-groups", json={"name": mark, "selector": {"allOf": [mark]}}), 201)["id"]
    config = {"name": mark, "profileType": "DEVICE_PROFILE", "profileId": brought["DEVICE_PROFILE"], "content": {}}
    artefact = good(await acme.post("/config-artefacts", json=config), 201)["id"]
    put = {"targetType": "DEVICE_GROUP", "targetId": group, "configArtefactId": artefact}
    bound = good(await acme.put("/desired-state-bindings", json=put), 201)["id"]
    problem(await acme.delete(f"/config-artefacts/{artefact}"), 409, "ARTEFACT_BOUND")
    good(await acme.delete(f"/device-groups/{group}"), 204)
    problem(await acme.get(f"/desired-state-bindings/{bound}"), 404, "NOT_FOUND")
    good(await acme.delete(f"/config-artefacts/{artefact}"), 204)
