"""A new certificate for the one that a device has (contract, 6.4): mutual TLS says who it is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID
from fastapi import APIRouter, Depends, Request

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import wire
from api.iot.answers import Answer, sent, told
from api.iot.auth import NOBODY
from api.iot.problems import Problem
from api.iot.provisioning import RENEW, asked_for, authority, identity, recorded
from infra.settings import Settings
from projections.provisioning import queries as provisioning
from schemas.ids import is_id
from schemas.provisioning.messages import IssueCertificate

router = APIRouter(prefix="/v1/devices", tags=["Provisioning"])
OPEN = ("ACTIVE", "SUPERSEDED")
EARLY = Problem(400, "RENEWAL_TOO_EARLY", "A certificate is renewed in the last third of its validity.")


class Holder(msgspec.Struct, frozen=True):
    """A device and the certificate that it has shown."""

    caller: Caller
    serial_number: str
    due: datetime


async def holder(request: Request, gate: Gate) -> Holder:
    """Errors: Problem 401 for a certificate that is missing, not ours, revoked, or past its time."""
    shown = presented(request)
    if shown is None or not authority(request).made(shown):
        raise NOBODY
    device, organisation = (name_of(shown, part) for part in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME))
    if not is_id(device) or not is_id(organisation):
        raise NOBODY
    caller = Caller(organisation=organisation, actor=device, role="device", surface="iot", device=device)
    if await status(gate, caller, device, serial := f"{shown.serial_number:x}") not in OPEN:
        raise NOBODY
    start, end = shown.not_valid_before_utc, shown.not_valid_after_utc
    return Holder(caller, serial, end - (end - start) / 3)


def presented(request: Request) -> x509.Certificate | None:
    """The client's certificate: as the server that ended TLS tells it, or the trusted proxy."""
    settings: Settings = request.app.state.settings
    chain = request.scope.get("extensions", {}).get("tls", {}).get("client_cert_chain")
    header = settings.devices.certificate_header
    text = next(iter(chain), None) if chain else request.headers.get(header) if header else None
    try:
        return decoded(text) if text else None
    except ValueError:
        return None


def decoded(text: str) -> x509.Certificate:
    """`:base64 of DER:` (RFC 9440), or PEM.

    Errors: ValueError.
    """
    if text.startswith(":"):
        return x509.load_der_x509_certificate(base64.b64decode(text.strip(":"), validate=True))
    return x509.load_pem_x509_certificate(unquote(text).encode())


def name_of(certificate: x509.Certificate, part: x509.ObjectIdentifier) -> str:
    return str(next((one.value for one in certificate.subject.get_attributes_for_oid(part)), ""))


async def status(gate: Gateway, caller: Caller, device: str, serial: str) -> str | None:
    """How the certificate stands; None for one that is in no list."""
    async with gate.reading(caller) as db:
        found = wire.certificates(await provisioning.certificates(db, device), datetime.now(UTC))
    return next((one["status"] for one in found if one["serialNumber"] == serial), None)


@router.post(
    RENEW,
    **told(wire.ProvisionResponse, 400, 409, 413, status=201, body=wire.RenewRequest, keyed=False),
)
async def renew_device_certificate(
    request: Request,
    shown: Annotated[Holder, Depends(holder)],
    body: Annotated[wire.RenewRequest, Depends(sent(wire.RenewRequest))],
    gate: Gate,
) -> Answer:
    """Renew with the current certificate, which opens for a day still"""
    csr = asked_for(body.csr)
    if datetime.now(UTC) < shown.due:
        raise EARLY
    device, organisation = shown.caller.actor, shown.caller.organisation
    issued = authority(request).issue(csr, device, organisation)
    command = IssueCertificate(renews=shown.serial_number, **recorded(issued))
    await gate.ask(command, stream=device, caller=shown.caller)
    return Answer(identity(request, issued, device, organisation), 201, {"Cache-Control": "no-store"})
