"""Generated from provisioning/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from datetime import datetime

from schemas.base import Command, Event


class CloseEnrolment(Command, frozen=True, kw_only=True):
    """The device's key dies; the same external id may enrol again."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"


class CreateProvisioningToken(Command, frozen=True, kw_only=True):
    """An `apt_` token that enrols devices; the stream is its id."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"

    name: str
    digest: str
    expires_at: datetime | None = None
    single_use: bool = False


class EnrolDevice(Command, frozen=True, kw_only=True):
    """A device shows a provisioning token; the stream is the device id. Only the digest of its key travels."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"

    token: str
    single_use: bool
    token_expires_at: datetime | None = None
    external_id: str
    name: str
    key_digest: str
    hardware_version: str | None = None
    agent_version: str | None = None
    ip_address: str | None = None


class IssueCertificate(Command, frozen=True, kw_only=True):
    """A device shows a registration token or, to renew, its certificate; the stream is the device id. Made in `api`, recorded here."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"

    token: str | None = None
    token_expires_at: datetime | None = None
    renews: str | None = None
    serial_number: str
    fingerprint: str
    subject: str
    not_before: datetime
    not_after: datetime


class MintRegistrationToken(Command, frozen=True, kw_only=True):
    """A one-time token for a named device; the stream is the token id."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"

    device: str
    device_name: str
    digest: str
    expires_at: datetime


class RevokeCertificate(Command, frozen=True, kw_only=True):
    """Ends a certificate before its time."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"

    serial_number: str


class RevokeProvisioningToken(Command, frozen=True, kw_only=True):
    """Ends a provisioning or registration token."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"


class RotateDeviceKey(Command, frozen=True, kw_only=True):
    """A new key takes the place of the old one."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"

    key_digest: str


class UseToken(Command, frozen=True, kw_only=True):
    """A device has come in with this token."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.commands"

    device: str


class CertificateIssued(Event, frozen=True, kw_only=True):
    """A device may speak under this certificate."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"

    token: str | None = None
    renews: str | None = None
    serial_number: str
    fingerprint: str
    subject: str
    not_before: datetime
    not_after: datetime


class CertificateRevoked(Event, frozen=True, kw_only=True):
    """A device may no longer speak under this certificate."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"

    serial_number: str


class DeviceEnrolled(Event, frozen=True, kw_only=True):
    """A device holds a key."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"

    token: str
    single_use: bool
    external_id: str
    name: str
    key_digest: str
    hardware_version: str | None = None
    agent_version: str | None = None
    ip_address: str | None = None


class DeviceKeyRotated(Event, frozen=True, kw_only=True):
    """Only the new key opens now."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"

    key_digest: str


class EnrolmentClosed(Event, frozen=True, kw_only=True):
    """Key and certificates of a device have died."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"

    certificates: tuple[str, ...] = ()


class ProvisioningTokenCreated(Event, frozen=True, kw_only=True):
    """A token can enrol devices."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"

    name: str
    digest: str
    expires_at: datetime | None = None
    single_use: bool = False


class ProvisioningTokenRevoked(Event, frozen=True, kw_only=True):
    """A token enrols nobody any more."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"


class RegistrationTokenMinted(Event, frozen=True, kw_only=True):
    """A device can be provisioned once."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"

    device: str
    device_name: str
    digest: str
    expires_at: datetime


class TokenUsed(Event, frozen=True, kw_only=True):
    """A token let a device in; one for single use is spent now."""

    CONTEXT = "provisioning"
    TOPIC = "provisioning.events"

    device: str
    spent: bool


Commands = (
    CloseEnrolment
    | CreateProvisioningToken
    | EnrolDevice
    | IssueCertificate
    | MintRegistrationToken
    | RevokeCertificate
    | RevokeProvisioningToken
    | RotateDeviceKey
    | UseToken
)


Events = (
    CertificateIssued
    | CertificateRevoked
    | DeviceEnrolled
    | DeviceKeyRotated
    | EnrolmentClosed
    | ProvisioningTokenCreated
    | ProvisioningTokenRevoked
    | RegistrationTokenMinted
    | TokenUsed
)
