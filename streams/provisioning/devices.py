"""What a device proves itself with: its key and its certificates. The stream is the device id. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec

from schemas.base import Envelope
from schemas.provisioning.messages import (
    CertificateIssued,
    CertificateRevoked,
    CloseEnrolment,
    DeviceEnrolled,
    DeviceKeyRotated,
    EnrolDevice,
    EnrolmentClosed,
    IssueCertificate,
    RevokeCertificate,
    RotateDeviceKey,
)
from streams.decision import Claim, Reference, Refusal

DeviceCommand = EnrolDevice | RotateDeviceKey | CloseEnrolment | IssueCertificate | RevokeCertificate
DeviceEvent = DeviceEnrolled | DeviceKeyRotated | EnrolmentClosed | CertificateIssued | CertificateRevoked


class Device(msgspec.Struct, frozen=True, tag=True):
    """Credentials of one device. `spent` are the one-time tokens it came in with: they stay spent for good."""

    external_id: str | None = None
    key_digest: str | None = None
    certificates: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    spent: tuple[str, ...] = ()
    closed: bool = False


def decide(device: Device, command: DeviceCommand, meta: Envelope) -> tuple[DeviceEvent, ...] | Refusal:
    match command:
        case EnrolDevice():
            return enrol(device, command, meta)
        case RotateDeviceKey(key_digest=digest):
            if device.key_digest is None:
                return Refusal("unknown")
            return () if device.key_digest == digest else (DeviceKeyRotated(key_digest=digest),)
        case CloseEnrolment():
            return close(device)
        case IssueCertificate():
            return issue(device, command, meta)
        case RevokeCertificate(serial_number=serial):
            if serial not in device.certificates:
                return Refusal("unknown")
            return () if serial in device.revoked else (CertificateRevoked(serial_number=serial),)
        case _:
            assert_never(command)


def close(device: Device) -> tuple[DeviceEvent, ...]:
    if device.closed or not (device.key_digest or device.certificates):
        return ()
    return (EnrolmentClosed(certificates=tuple(s for s in device.certificates if s not in device.revoked)),)


def enrol(device: Device, command: EnrolDevice, meta: Envelope) -> tuple[DeviceEvent, ...] | Refusal:
    if device.key_digest is not None or device.closed:
        return Refusal("device.exists", "This device is enrolled.", "device_id")
    if past(command.token_expires_at, meta.time):
        return Refusal("token.expired", "The token has expired.", "token")
    members = msgspec.structs.asdict(command)
    del members["token_expires_at"]
    return (DeviceEnrolled(**members),)


def issue(device: Device, command: IssueCertificate, meta: Envelope) -> tuple[DeviceEvent, ...] | Refusal:
    """Shown a token, or the certificate that it renews."""
    if device.closed:
        return Refusal("unknown")
    if command.token in device.spent:
        return Refusal("token.used", "The token has been used.", "token")
    if past(command.token_expires_at, meta.time):
        return Refusal("token.expired", "The token has expired.", "token")
    renewable = command.renews in device.certificates and command.renews not in device.revoked
    if command.token is None and not renewable:
        return Refusal("token.invalid", "Neither a token nor a certificate in force was shown.", "token")
    members = msgspec.structs.asdict(command)
    del members["token_expires_at"]
    return (CertificateIssued(**members),)


def past(deadline: datetime | None, now: datetime) -> bool:
    return deadline is not None and now >= deadline


def apply(device: Device, event: DeviceEvent) -> Device:
    put = msgspec.structs.replace
    match event:
        case DeviceEnrolled(token=token, single_use=single_use):
            spent = (*device.spent, token) if single_use else device.spent
            return put(device, external_id=event.external_id, key_digest=event.key_digest, spent=spent)
        case DeviceKeyRotated(key_digest=digest):
            return put(device, key_digest=digest)
        case EnrolmentClosed():
            return put(device, key_digest=None, revoked=device.certificates, closed=True)
        case CertificateIssued(token=used, serial_number=serial):
            spent = device.spent if used is None else (*device.spent, used)
            return put(device, certificates=(*device.certificates, serial), spent=spent)
        case CertificateRevoked(serial_number=serial):
            return put(device, revoked=(*device.revoked, serial))
        case _:
            assert_never(event)


def claims(device: Device) -> tuple[Claim, ...]:
    """A one-time token goes first: who shows a spent one learns nothing of the device."""
    spent = tuple(Claim("token.use", token, "token.used") for token in device.spent)
    if device.key_digest is None or device.external_id is None:
        return spent
    return (*spent, Claim("enrolment", device.external_id, "device.exists"))


def references(command: DeviceCommand) -> tuple[Reference, ...]:
    match command:
        case EnrolDevice(token=token) | IssueCertificate(token=str(token)):
            return (Reference("token.live", token, "token.invalid"),)
        case _:
            return ()
