"""Renewing a certificate with the one there is, as behind a proxy that ends mutual TLS (contract, 6.4)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.app import create
from infra.certificates import Authority
from infra.commands import Commands
from infra.settings import Settings, load
from schemas.base import asking
from schemas.ids import new_id
from schemas.provisioning.messages import IssueCertificate
from tests.integration.iot.conftest import good, problem
from tests.integration.iot.test_devices import csr

pytestmark = pytest.mark.stack
RENEW = "/api/v1/devices/provision/renew"
Key = ec.EllipticCurvePrivateKey


@pytest.fixture
async def door(stack: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """The API as it runs where a proxy hands on certificates."""
    monkeypatch.setenv("SIGHTLOG_DEVICES__CERTIFICATE_HEADER", "Client-Cert")
    app = create(load())
    made = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door")
    async with app.router.lifespan_context(app), made:
        async with asyncio.timeout(20):
            while (await made.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.1)
        yield made


def shown(certificate: x509.Certificate) -> dict[str, str]:
    der = certificate.public_bytes(serialization.Encoding.DER)
    return {"Client-Cert": f":{base64.b64encode(der).decode()}:"}


def signed(authority: Authority, key: Key, device: str, organisation: str, start: datetime) -> x509.Certificate:
    """A certificate of thirty days."""
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, device), x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    )
    builder = x509.CertificateBuilder(
        authority.certificate.subject, name, key.public_key(), x509.random_serial_number()
    )
    made = builder.not_valid_before(start).not_valid_after(start + timedelta(days=30))
    return made.sign(authority.key, hashes.SHA256())


async def grown_old(
    acme: httpx.AsyncClient, commands: Commands, authority: Authority, organisation: str
) -> tuple[str, x509.Certificate]:
    """A device and its certificate, in its last third."""
    minted = good(await acme.post("/devices/registration/tokens", json={"deviceName": f"old {new_id()}"}), 201)
    device, key = minted["deviceId"], ec.generate_private_key(ec.SECP256R1())
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=21)
    made = signed(authority, key, device, organisation, start)
    issue = IssueCertificate(
        token=minted["tokenId"],
        serial_number=f"{made.serial_number:x}",
        fingerprint=made.fingerprint(hashes.SHA256()).hex(),
        subject=made.subject.rfc4514_string(),
        not_before=start,
        not_after=made.not_valid_after_utc,
    )
    await commands.submit(issue, asking(device, organisation=organisation), wait=20)
    return device, made


async def test_a_certificate_is_renewed_in_its_last_third(
    acme: httpx.AsyncClient, door: httpx.AsyncClient, commands: Commands, settings: Settings, stack: dict[str, Any]
) -> None:
    organisation = stack["organisations"]["acme"]["id"]
    device, old = await grown_old(acme, commands, Authority(settings), organisation)
    key = ec.generate_private_key(ec.SECP256R1())
    bad = await door.post(RENEW, json={"csr": "nonsense"}, headers=shown(old))
    problem(bad, 400, "INVALID_CSR")
    said = good(await door.post(RENEW, json={"csr": csr(key)}, headers=shown(old)), 201)
    fresh = x509.load_pem_x509_certificate(said["certificate"].encode())
    assert fresh.public_key() == key.public_key()
    assert fresh.subject == old.subject
    assert said["renewEndpoint"].endswith(RENEW)
    place = f"/devices/{device}/certificates"
    assert [one["status"] for one in good(await acme.get(place))] == ["SUPERSEDED", "ACTIVE"]
    early = await door.post(RENEW, json={"csr": csr(key)}, headers=shown(fresh))
    problem(early, 400, "RENEWAL_TOO_EARLY")
    good(await acme.post(f"{place}/{old.serial_number:x}/revoke"))
    problem(await door.post(RENEW, json={"csr": csr(key)}, headers=shown(old)), 401, "UNAUTHENTICATED")


async def test_who_shows_no_certificate_of_ours_gets_none(
    acme: httpx.AsyncClient,
    door: httpx.AsyncClient,
    nobody: httpx.AsyncClient,
    commands: Commands,
    settings: Settings,
    stack: dict[str, Any],
) -> None:
    organisation = stack["organisations"]["acme"]["id"]
    device, old = await grown_old(acme, commands, Authority(settings), organisation)
    key = ec.generate_private_key(ec.SECP256R1())
    ask = {"csr": csr(key)}
    start = datetime.now(UTC) - timedelta(days=21)
    own = Authority(settings)
    unlisted = signed(own, key, device, organisation, start)
    elsewhere = signed(own, key, device, stack["organisations"]["globex"]["id"], start)
    own.key = ec.generate_private_key(ec.SECP256R1())
    forged = signed(own, key, device, organisation, start)
    for headers in ({}, {"Client-Cert": ":no:"}, *map(shown, (unlisted, elsewhere, forged))):
        problem(await door.post(RENEW, json=ask, headers=headers), 401, "UNAUTHENTICATED")
    straight = await nobody.post("/devices/provision/renew", json=ask, headers=shown(old))
    problem(straight, 401, "UNAUTHENTICATED")
