"""Tokens, device keys and certificates: digests and dates, never a secret. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from projections.rows import Add, Change, Put, Row, Values, stamps
from schemas.base import Envelope
from schemas.provisioning.messages import (
    CertificateIssued,
    CertificateRevoked,
    DeviceEnrolled,
    DeviceKeyRotated,
    EnrolmentClosed,
    Events,
    ProvisioningTokenCreated,
    ProvisioningTokenRevoked,
    RegistrationTokenMinted,
    TokenUsed,
)


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    new: Values = {**stamps(meta), "created_at": meta.time}
    match event:
        case ProvisioningTokenCreated():
            own: Values = {"name": event.name, "digest": event.digest, "expires_at": event.expires_at}
            own |= {"kind": "provisioning", "single_use": event.single_use, "created_by": meta.actor}
            yield Put("tokens", {"id": meta.stream}, new | own)
        case RegistrationTokenMinted():
            own = {"name": event.device_name, "digest": event.digest, "expires_at": event.expires_at}
            own |= {"kind": "registration", "single_use": True, "created_by": meta.actor, "device": event.device}
            yield Put("tokens", {"id": meta.stream}, new | own)
        case ProvisioningTokenRevoked():
            yield Change("tokens", {"id": meta.stream}, stamps(meta) | {"revoked_at": meta.time})
        case TokenUsed(spent=spent):
            yield Add("tokens", {"id": meta.stream}, {"use_count": 1})
            marks = {"last_used_at": meta.time} | ({"spent_at": meta.time} if spent else {})
            yield Change("tokens", {"id": meta.stream}, stamps(meta) | marks)
        case DeviceEnrolled():
            own = {"external_id": event.external_id, "token": event.token, "key_digest": event.key_digest}
            yield Put("enrolments", {"device": meta.stream}, new | own)
        case DeviceKeyRotated(key_digest=digest):
            yield Change("enrolments", {"device": meta.stream}, stamps(meta) | {"key_digest": digest})
        case EnrolmentClosed(certificates=serials):
            yield Change("enrolments", {"device": meta.stream}, stamps(meta) | closed(meta))
            for serial in serials:
                yield Change("certificates", {"serial_number": serial}, stamps(meta) | {"revoked_at": meta.time})
        case CertificateIssued():
            own = {name: getattr(event, name) for name in CERTIFICATE} | {"device": meta.stream}
            yield Put("certificates", {"serial_number": event.serial_number}, new | own)
        case CertificateRevoked(serial_number=serial):
            yield Change("certificates", {"serial_number": serial}, stamps(meta) | {"revoked_at": meta.time})


CERTIFICATE = ("token", "renews", "fingerprint", "subject", "not_before", "not_after")


def closed(meta: Envelope) -> Values:
    return {"key_digest": None, "closed_at": meta.time}
