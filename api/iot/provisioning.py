"""Registration tokens, and a token and a request for a certificate (contract, 6.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from cryptography.x509 import CertificateSigningRequest
from fastapi import APIRouter, Depends, Query, Request

from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, Refused
from api.iot import wire
from api.iot.answers import Answer, Paged, PageOf, of, path_id, sent, stamp, told
from api.iot.auth import Admin
from api.iot.devices import DeviceId, equipped, fits, row_of
from api.iot.problems import Problem, absent, invalid, refused
from infra.certificates import Authority, InvalidRequest, Issued, requested
from infra.postgres import Row
from infra.secrets import digest, mint_url
from infra.settings import Settings
from projections.fleet import queries as fleet
from projections.provisioning import queries as provisioning
from schemas.fleet.messages import ChangeDevice, RegisterDevice, RetireDevice
from schemas.ids import is_id, new_id
from schemas.provisioning.messages import (
    IssueCertificate,
    MintRegistrationToken,
    RevokeCertificate,
    RevokeProvisioningToken,
)

router = APIRouter(prefix="/v1/devices", tags=["Provisioning"])
TOKENS, PROVISION, RENEW = "/registration/tokens", "/provision", "/provision/renew"
KIND = "registration"
TokenId = Annotated[str, path_id("tokenId")]
Mint = Annotated[wire.RegistrationTokenCreate, Depends(sent(wire.RegistrationTokenCreate))]
BAD = Problem(401, "INVALID_TOKEN", "The token opens nothing.")
KEEP_ALIVE = 60


@router.post(
    TOKENS,
    **told(
        wire.RegistrationTokenCreated,
        *(400, 402, 403, 409, 413, 422),
        status=201,
        body=wire.RegistrationTokenCreate,
        keyed=False,
    ),
)
async def create_registration_token(request: Request, caller: Admin, body: Mint, gate: Gate) -> Answer:
    """Mint a one-time registration token: the device is there at once, as PENDING"""
    device = await device_for(gate, caller, body)
    token, id = f"{caller.organisation}.{device}.{mint_url()}", new_id()
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=body.expires_in_seconds)
    mint = MintRegistrationToken(device=device, device_name=body.device_name, digest=digest(token), expires_at=until)
    await gate.ask(mint, stream=id, caller=caller)
    settings: Settings = request.app.state.settings
    said = {
        "token": token,
        "deviceId": device,
        "deviceName": body.device_name,
        "provisionEndpoint": endpoint(settings, PROVISION),
        "expiresAt": stamp(until),
        "tokenId": id,
    }
    return Answer(said, 201, {"Cache-Control": "no-store"})


def endpoint(settings: Settings, path: str) -> str:
    return f"{settings.api.public_url.rstrip('/')}/api/v1/devices{path}"


async def device_for(gate: Gateway, caller: Caller, body: wire.RegistrationTokenCreate) -> str:
    """The new device, or the one there is."""
    if body.device_id is not None:
        row = await there(gate, caller, body.device_id)
        if row["name"] != body.device_name:
            raise invalid("deviceName", "CONFLICT", "The device has another name.", 409, "CONFLICT")
        if row["virtual"]:
            raise invalid("deviceId", "CONFLICT", "A virtual device has no certificate.", 409, "INVALID_STATE")
        return str(row["id"])
    profile = await fits(gate, caller, body.device_profile_id)
    id = new_id()
    register = RegisterDevice(
        name=body.device_name,
        unique_name=True,
        status="PENDING",
        profile=body.device_profile_id,
        site=body.site_id,
        tags=tuple(body.tags),
    )
    try:
        await gate.ask(register, stream=id, caller=caller)
    except Refused as refusal:
        raise refused(refusal, {"name": "deviceName"}) from None
    await equipped(gate, caller, id, profile, Ask(id))
    return id


async def there(gate: Gateway, caller: Caller, id: str) -> Row:
    """Errors: Problem 422 for a device that is not there."""
    async with gate.reading(caller) as db:
        row = await fleet.device(db, id)
    if row is None:
        raise invalid("deviceId", "NOT_FOUND", "There is no such device.", 422, "INVALID_REFERENCE")
    return row


@router.get(TOKENS, **told(PageOf[wire.RegistrationToken], 400, 403))
async def list_registration_tokens(
    caller: Admin,
    page: Paged,
    gate: Gate,
    status: Annotated[wire.TokenStatus, Query(description="default PENDING")] = "PENDING",
) -> Answer:
    """List registration tokens"""
    newest = page.newest_first
    async with gate.reading(caller) as db:
        rows, total = await provisioning.tokens(
            db, KIND, status=status, limit=page.size, offset=page.offset, descending=newest
        )
    return page.answer([wire.token(row) for row in rows], total)


async def token_row(gate: Gateway, caller: Caller, id: str) -> Row:
    async with gate.reading(caller) as db:
        row = await provisioning.token(db, of(id), KIND)
    if row is None:
        raise absent()
    return row


@router.get(f"{TOKENS}/{{tokenId}}", **told(wire.RegistrationToken, 403, 404))
async def get_registration_token(id: TokenId, caller: Admin, gate: Gate) -> Answer:
    """Poll one token"""
    return Answer(wire.token(await token_row(gate, caller, id)))


@router.delete(f"{TOKENS}/{{tokenId}}", **told(None, 403, 404, 409, status=204))
async def revoke_registration_token(id: TokenId, caller: Admin, gate: Gate) -> Answer:
    """Revoke a pending token; a device that it created and that never came is deleted too"""
    row = await token_row(gate, caller, id)
    await gate.ask(RevokeProvisioningToken(), stream=row["id"], caller=caller)
    async with gate.reading(caller) as db:
        came = await provisioning.certificates(db, row["device"])
    device = await row_of(gate, caller, row["device"])
    if not came and device["status"] == "PENDING":
        await gate.ask(RetireDevice(), stream=device["id"], caller=caller)
    return Answer(None, 204)


@router.post(
    PROVISION,
    **told(wire.ProvisionResponse, 400, 409, 410, 413, 429, status=201, body=wire.ProvisionRequest, keyed=False),
)
async def provision_device(
    request: Request, body: Annotated[wire.ProvisionRequest, Depends(sent(wire.ProvisionRequest))], gate: Gate
) -> Answer:
    """Exchange token and CSR for a certificate; the token is the credential"""
    token = await presented(gate, body.token)
    csr = asked_for(body.csr)
    device, organisation = str(token["device"]), str(token["organisation"])
    issued = authority(request).issue(csr, device, organisation)
    caller = Caller(organisation=organisation, actor=device, role="device", surface="iot", device=device)
    command = IssueCertificate(token=token["id"], token_expires_at=token["expires_at"], **recorded(issued))
    try:
        await gate.ask(command, stream=device, caller=caller)
    except Refused as refusal:
        if refusal.code == "token.invalid":  # spent or revoked a moment ago: its row says which, in a moment
            await gate.shown(caller, lambda db: provisioning.ended(db, str(token["id"])))
            await presented(gate, body.token)
        raise
    if changes := reported(body):
        await gate.ask(ChangeDevice(changes=changes), stream=device, caller=caller)
    return Answer(identity(request, issued, device, organisation), 201, {"Cache-Control": "no-store"})


def asked_for(csr: str) -> CertificateSigningRequest:
    """Errors: Problem 400 `INVALID_CSR`."""
    try:
        return requested(csr)
    except InvalidRequest as problem:
        raise invalid("csr", "INVALID_FORMAT", str(problem), 400, "INVALID_CSR") from None


async def presented(gate: Gateway, token: str) -> Row:
    """The token's row. Nothing says whether a device exists.

    Errors: Problem 401 `INVALID_TOKEN`, 409 `TOKEN_ALREADY_USED`, 410 `TOKEN_EXPIRED`.
    """
    organisation, _, rest = token.partition(".")
    if not is_id(organisation) or not is_id(rest.partition(".")[0]):
        raise BAD
    async with gate.read("") as db:
        row = await provisioning.token_of(db, digest(token), KIND)
    if row is None or row["organisation"] != organisation:
        raise BAD
    if row["spent_at"] is not None:
        raise Problem(409, "TOKEN_ALREADY_USED", "The token has been used.")
    if row["revoked_at"] is not None:
        raise BAD
    if row["expires_at"] <= datetime.now(UTC):
        raise Problem(410, "TOKEN_EXPIRED", "The token has expired.")
    return row


def authority(request: Request) -> Authority:
    """Opened with the first certificate: most processes never sign one."""
    state = request.app.state
    if getattr(state, "authority", None) is None:
        state.authority = Authority(state.settings)
    found: Authority = state.authority
    return found


def recorded(issued: Issued) -> dict[str, Any]:
    return {name: getattr(issued, name) for name in issued.__struct_fields__ if name not in ("pem", "chain")}


def reported(body: wire.ProvisionRequest) -> dict[str, str]:
    """What the device says of itself, in the fleet's words."""
    said = {
        "firmware_version": body.firmware_version,
        "hardware_version": body.hardware_model,
        "serial": body.serial_number,
    }
    return {name: value for name, value in said.items() if value is not None}


def identity(request: Request, issued: Issued, device: str, organisation: str) -> dict[str, Any]:
    settings: Settings = request.app.state.settings
    door = settings.devices
    broker = {"host": door.host, "port": door.port, "protocol": "mqtts", "clientId": device}
    return {
        "deviceId": device,
        "organizationId": organisation,
        "certificate": issued.pem,
        "caChain": issued.chain,
        "serialNumber": issued.serial_number,
        "notAfter": stamp(issued.not_after),
        "broker": {**broker, "keepAliveSeconds": KEEP_ALIVE},
        "renewEndpoint": endpoint(settings, RENEW),
    }


@router.get("/{deviceId}/certificates", **told(list[wire.Certificate], 403, 404))
async def list_certificates(id: DeviceId, caller: Admin, gate: Gate) -> Answer:
    """Identity certificates"""
    row = await row_of(gate, caller, id)
    async with gate.reading(caller) as db:
        found = await provisioning.certificates(db, row["id"])
    return Answer(wire.certificates(found, datetime.now(UTC)))


@router.post("/{deviceId}/certificates/{serialNumber}/revoke", **told(wire.Certificate, 403, 404, 409))
async def revoke_certificate(id: DeviceId, serialNumber: str, caller: Admin, gate: Gate) -> Answer:  # noqa: N803
    """Revoke a certificate"""
    row = await row_of(gate, caller, id)
    await gate.ask(RevokeCertificate(serial_number=serialNumber), stream=row["id"], caller=caller)
    async with gate.reading(caller) as db:
        found = wire.certificates(await provisioning.certificates(db, row["id"]), datetime.now(UTC))
    return Answer(next(c for c in found if c["serialNumber"] == serialNumber))
