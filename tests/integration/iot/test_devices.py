"""Devices, registration, provisioning, and the plain things around them (contract, 6.2 to 6.5)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from schemas.ids import new_id
from tests.integration.iot.conftest import client, good, problem, virtual

pytestmark = pytest.mark.stack


def csr(key: Any) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


async def test_a_device_from_birth_to_end(acme: httpx.AsyncClient) -> None:
    name = f"roof {new_id()}"
    body = {"name": name, "tags": ["Roof", "roof", "lab"], "location": {"latitude": 52, "longitude": 13.4}}
    made = good(await acme.post("/devices", json=body), 201)
    assert made["status"] == "ACTIVE"
    assert made["virtual"]
    assert made["tags"] == ["roof", "lab"]
    assert None not in made.values()
    assert "serialNumber" not in made
    assert good(await acme.get(f"/devices/{made['id']}")) == made
    problem(await acme.post("/devices", json=body), 409, "NAME_TAKEN")
    found = good(await acme.get("/devices", params={"q": name[5:], "tag": ["roof", "LAB"]}))
    assert [d["id"] for d in found["content"]] == [made["id"]]
    assert found["page"]["totalElements"] == 1
    changed = good(await acme.put(f"/devices/{made['id']}", json={"name": name, "status": "INACTIVE"}))
    assert changed["status"] == "INACTIVE"
    assert "tags" not in changed
    assert "location" not in changed
    problem(await acme.get(f"/devices/{made['id']}/health"), 404, "HEALTH_NOT_REPORTED")
    assert (await acme.delete(f"/devices/{made['id']}")).status_code == 204
    problem(await acme.get(f"/devices/{made['id']}"), 404, "NOT_FOUND")


async def test_bad_input_names_its_fields(acme: httpx.AsyncClient) -> None:
    body = {"tags": ["x" * 65], "location": {"latitude": 91, "longitude": "east"}, "siteId": "no"}
    said = problem(await acme.post("/devices", json=body), 400, "VALIDATION_FAILED")
    assert {(e["field"], e["code"]) for e in said["errors"]} == {
        ("name", "REQUIRED"),
        ("tags[0]", "TOO_LONG"),
        ("location.latitude", "OUT_OF_RANGE"),
        ("location.longitude", "INVALID_FORMAT"),
        ("siteId", "INVALID_FORMAT"),
    }
    problem(await acme.post("/devices", content=b"{"), 400, "MALFORMED_JSON")
    problem(await acme.post("/devices", content=b"[" + b" " * (1 << 20) + b"]"), 413, "TOO_LARGE")
    said = problem(await acme.post("/devices", json={"name": "x", "siteId": new_id()}), 422, "INVALID_REFERENCE")
    assert said["errors"][0]["field"] == "siteId"
    problem(await acme.get("/devices", params={"status": "GONE"}), 400, "VALIDATION_FAILED")
    problem(await acme.get("/devices", params={"sort": "secret,asc"}), 400, "VALIDATION_FAILED")


async def test_who_may_what(stack: dict[str, Any], nobody: httpx.AsyncClient, acme: httpx.AsyncClient) -> None:
    problem(await nobody.get("/devices"), 401, "UNAUTHENTICATED")
    others = ("sk_live_nothing", "x.y.z", stack["organisations"]["acme"]["acusight"]["token"])
    for credential in (*others, stack["organisations"]["acme"]["noxovision"]["api_key"]):
        answer = await nobody.get("/devices", headers={"Authorization": f"Bearer {credential}"})
        problem(answer, 401, "UNAUTHENTICATED")
    async with client(stack, "acme", "token") as person:
        assert good(await person.get("/devices"))["page"] == good(await acme.get("/devices"))["page"]


async def test_what_only_a_connection_decides_is_not_set_by_hand(acme: httpx.AsyncClient) -> None:
    name = f"hand {new_id()}"
    place = f"/devices/{good(await acme.post('/devices', json={'name': name}), 201)['id']}"
    for status in ("MAINTENANCE", "ACTIVE", "INACTIVE", "MAINTENANCE"):
        assert good(await acme.put(place, json={"name": name, "status": status}))["status"] == status
    for status in ("PENDING", "OFFLINE"):
        said = problem(await acme.put(place, json={"name": name, "status": status}), 409, "INVALID_STATE")
        assert said["errors"][0]["field"] == "status"
    problem(await acme.put(place, json={"name": name, "status": "GONE"}), 400, "VALIDATION_FAILED")
    assert good(await acme.get(place))["status"] == "MAINTENANCE"
    listed = await acme.get("/devices", params={"q": name, "status": ["ACTIVE", "MAINTENANCE"]})
    assert good(listed)["page"]["totalElements"] == 1


async def test_a_token_names_its_own_fields(acme: httpx.AsyncClient) -> None:
    name = f"twice {new_id()}"
    tokens = "/devices/registration/tokens"
    good(await acme.post(tokens, json={"deviceName": name}), 201)
    said = problem(await acme.post(tokens, json={"deviceName": name}), 409, "NAME_TAKEN")
    assert said["errors"][0]["field"] == "deviceName"
    for field in ("deviceId", "siteId", "deviceProfileId"):
        body = {"deviceName": f"other {new_id()}", field: new_id()}
        said = problem(await acme.post(tokens, json=body), 422, "INVALID_REFERENCE")
        assert said["errors"][0]["field"] == field


async def test_lists_say_what_they_cannot_do(acme: httpx.AsyncClient) -> None:
    tokens = "/devices/registration/tokens"
    made = [good(await acme.post(tokens, json={"deviceName": new_id()}), 201)["tokenId"] for _ in range(2)]
    for order, expected in (("asc", made), ("desc", made[::-1])):
        found = good(await acme.get(tokens, params={"sort": f"createdAt,{order}", "size": 200}))["content"]
        assert [one["id"] for one in found if one["id"] in made] == expected
    problem(await acme.get(tokens, params={"sort": "name,asc"}), 400, "VALIDATION_FAILED")
    span = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    problem(await acme.get(f"/devices/{await virtual(acme)}/health/history", params=span), 400, "VALIDATION_FAILED")


async def test_a_key_has_a_length(acme: httpx.AsyncClient) -> None:
    body = {"name": f"key {new_id()}"}
    said = problem(
        await acme.post("/devices", json=body, headers={"Idempotency-Key": "x" * 129}), 400, "VALIDATION_FAILED"
    )
    assert said["errors"][0] == {"field": "Idempotency-Key", "code": "TOO_LONG", "message": said["detail"]}
    good(await acme.post("/devices", json=body, headers={"Idempotency-Key": new_id() * 3 + "x" * 20}), 201)


async def test_the_same_key_gives_the_same_device(acme: httpx.AsyncClient) -> None:
    headers, body = {"Idempotency-Key": new_id()}, {"name": f"once {new_id()}"}
    first, again = [good(await acme.post("/devices", json=body, headers=headers), 201) for _ in range(2)]
    assert first["id"] == again["id"]
    other = await acme.post("/devices", json={"name": "another"}, headers=headers)
    problem(other, 409, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("path", ["/devices/{}", "/sites/{}", "/components/{}", "/sensors/{}", "/device-groups/{}"])
async def test_ids_of_others_are_unknown(acme: httpx.AsyncClient, globex: httpx.AsyncClient, path: str) -> None:
    device = await virtual(acme)
    component = good(await acme.post("/components", json={"deviceId": device, "key": "a"}), 201)["id"]
    sensor = {"componentId": component, "key": "k", "valueType": "DOUBLE"}
    made = {
        "/devices/{}": device,
        "/components/{}": component,
        "/sensors/{}": good(await acme.post("/sensors", json=sensor), 201)["id"],
        "/sites/{}": good(await acme.post("/sites", json={"name": new_id()}), 201)["id"],
        "/device-groups/{}": good(
            await acme.post("/device-groups", json={"name": new_id(), "selector": {"anyOf": ["x"]}}), 201
        )["id"],
    }[path]
    good(await acme.get(path.format(made)))
    for method in ("GET", "DELETE"):
        theirs = await globex.request(method, path.format(made))
        nobodys = await globex.request(method, path.format(new_id()))
        assert problem(theirs, 404, "NOT_FOUND").keys() == problem(nobodys, 404, "NOT_FOUND").keys()
    good(await acme.get(path.format(made)))


async def test_a_token_gives_one_certificate(acme: httpx.AsyncClient, nobody: httpx.AsyncClient) -> None:
    minted = good(await acme.post("/devices/registration/tokens", json={"deviceName": f"gw {new_id()}"}), 201)
    organisation, device, _ = minted["token"].split(".")
    assert device == minted["deviceId"]
    assert good(await acme.get(f"/devices/{device}"))["status"] == "PENDING"
    listed = await acme.get("/devices/registration/tokens", params={"size": 200})
    assert minted["token"] not in listed.text
    assert minted["tokenId"] in listed.text
    key = ec.generate_private_key(ec.SECP256R1())
    weak = csr(rsa.generate_private_key(65537, 1024))
    for bad in ("nonsense", weak):
        answer = await nobody.post("/devices/provision", json={"token": minted["token"], "csr": bad})
        assert problem(answer, 400, "INVALID_CSR")["errors"][0]["field"] == "csr"
    ask = {"token": minted["token"], "csr": csr(key), "firmwareVersion": "1.2.3"}
    answers = await asyncio.gather(*(nobody.post("/devices/provision", json=ask) for _ in range(2)))
    assert sorted(a.status_code for a in answers) == [201, 409]
    said = next(a.json() for a in answers if a.status_code == 201)
    leaf, chain = [x509.load_pem_x509_certificate(said[name].encode()) for name in ("certificate", "caChain")]
    leaf.verify_directly_issued_by(chain)
    assert leaf.public_key() == key.public_key()
    names = {a.oid: a.value for a in leaf.subject}
    assert names == {NameOID.COMMON_NAME: device, NameOID.ORGANIZATION_NAME: organisation}
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    shown = good(await acme.get(f"/devices/{device}"))
    assert shown["firmwareVersion"] == "1.2.3"
    assert "provisionedAt" in shown
    certificates = good(await acme.get(f"/devices/{device}/certificates"))
    assert [(c["serialNumber"], c["status"]) for c in certificates] == [(said["serialNumber"], "ACTIVE")]
    problem(await nobody.post("/devices/provision", json=ask), 409, "TOKEN_ALREADY_USED")
    revoked = good(await acme.post(f"/devices/{device}/certificates/{said['serialNumber']}/revoke"))
    assert revoked["status"] == "REVOKED"


async def test_a_token_taken_back(acme: httpx.AsyncClient, nobody: httpx.AsyncClient) -> None:
    minted = good(await acme.post("/devices/registration/tokens", json={"deviceName": f"gw {new_id()}"}), 201)
    assert (await acme.delete(f"/devices/registration/tokens/{minted['tokenId']}")).status_code == 204
    problem(await acme.get(f"/devices/{minted['deviceId']}"), 404, "NOT_FOUND")
    ask = {"token": minted["token"], "csr": csr(ec.generate_private_key(ec.SECP256R1()))}
    problem(await nobody.post("/devices/provision", json=ask), 401, "INVALID_TOKEN")
    wrong = {**ask, "token": minted["token"][:-4] + "aaaa"}
    problem(await nobody.post("/devices/provision", json=wrong), 401, "INVALID_TOKEN")


async def test_sites_and_groups_count_their_devices(acme: httpx.AsyncClient) -> None:
    tag = new_id()
    site = good(await acme.post("/sites", json={"name": f"site {tag}", "timezone": "Europe/Berlin"}), 201)
    assert site["deviceCount"] == 0
    device = await virtual(acme, siteId=site["id"], tags=[tag, "hot"])
    await virtual(acme, tags=[tag])
    assert good(await acme.get(f"/sites/{site['id']}"))["deviceCount"] == 1
    group = {"name": f"group {tag}", "selector": {"allOf": [tag], "noneOf": ["cold"]}}
    made = good(await acme.post("/device-groups", json=group), 201)
    assert made["deviceCount"] == 2
    assert made["selector"] == group["selector"]
    good(await acme.put(f"/device-groups/{made['id']}", json={**group, "selector": {"allOf": [tag, "hot"]}}))
    found = good(await acme.get(f"/device-groups/{made['id']}/devices"))
    assert [d["id"] for d in found["content"]] == [device]
    by_group = good(await acme.get("/devices", params={"groupId": made["id"]}))
    assert by_group["content"] == found["content"]
    assert (await acme.delete(f"/sites/{site['id']}")).status_code == 204
    assert "siteId" not in good(await acme.get(f"/devices/{device}"))
    problem(await acme.post("/device-groups", json={**group, "selector": {}}), 400, "VALIDATION_FAILED")
