"""Devices, registration and health on the wire (contract, 6.3, 6.4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field

from api.iot.answers import Body, Free, Id, Name, Shown, Text, present, stamp
from infra.postgres import Row

DeviceStatus = Literal["PENDING", "ACTIVE", "INACTIVE", "MAINTENANCE", "OFFLINE"]
TokenStatus = Literal["PENDING", "CONSUMED", "EXPIRED", "REVOKED"]
ConnectionType = Literal["WIFI", "ETHERNET", "CELLULAR", "LORAWAN", "THREAD", "OTHER"]
TAG_LENGTH, TAGS = 64, 50
FREE_BYTES = 10_240
OVERLAP = timedelta(hours=24)
"""So long a renewed certificate opens beside the new one."""


def small(value: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(value)) > FREE_BYTES:
        raise ValueError(f"is larger than {FREE_BYTES} bytes")
    return value


def lowered(tags: list[str]) -> list[str]:
    """Each tag once, in lower case."""
    return list(dict.fromkeys(tag.lower() for tag in tags))


Metadata = Annotated[Free, AfterValidator(small)]
Tag = Annotated[Text, Field(min_length=1, max_length=TAG_LENGTH)]
Tags = Annotated[list[Tag], Field(max_length=TAGS), AfterValidator(lowered)]


class GeoLocation(Body):
    """WGS-84 position."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    altitude: float | None = None
    label: Text | None = None


class ProfileRef(Shown):
    """One immutable profile version."""

    id: str
    name: str
    version: str


class Device(Shown):
    """Managed unit (hardware or virtual)."""

    id: str
    name: str
    status: DeviceStatus
    online: bool
    virtual: bool
    description: str | None = None
    device_profile: ProfileRef | None = None
    site_id: str | None = None
    location: GeoLocation | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    serial_number: str | None = None
    firmware_version: str | None = None
    last_seen_at: datetime | None = None
    provisioned_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class DeviceHealth(Shown):
    """Connectivity and resource snapshot."""

    device_id: str
    recorded_at: datetime
    uptime_seconds: int | None = None
    free_heap_bytes: int | None = None
    signal_strength_dbm: int | None = None
    connection_type: ConnectionType | None = None
    readings_sent: int | None = None
    readings_dropped: int | None = None
    battery_percent: float | None = None
    ip_address: str | None = None
    firmware_version: str | None = None
    online: bool


class DeviceCreate(Body):
    """Creates a virtual device without a certificate."""

    name: Name
    description: Text | None = None
    device_profile_id: Id | None = None
    site_id: Id | None = None
    location: GeoLocation | None = None
    tags: Tags = Field(default_factory=list)
    metadata: Metadata | None = None
    serial_number: Annotated[Text, Field(max_length=255)] | None = None

    def members(self) -> dict[str, Any]:
        """In the fleet's words; an absent member is cleared."""
        return {
            "name": self.name,
            "description": self.description,
            "profile": self.device_profile_id,
            "site": self.site_id,
            "location": self.location.model_dump(exclude_none=True) if self.location else None,
            "tags": self.tags,
            "metadata": self.metadata,
            "serial": self.serial_number,
        }


class DeviceUpdate(DeviceCreate):
    """Full replacement of the mutable part; an absent member is cleared."""

    status: DeviceStatus | None = None


class RegistrationTokenCreate(Body):
    device_name: Name
    device_id: Id | None = None
    device_profile_id: Id | None = None
    site_id: Id | None = None
    tags: Tags = Field(default_factory=list)
    expires_in_seconds: int = Field(default=86_400, ge=300, le=604_800)


class RegistrationTokenCreated(Shown):
    """The only time the token is readable."""

    token: str
    device_id: str
    device_name: str
    provision_endpoint: str
    expires_at: datetime
    token_id: str | None = None


class RegistrationToken(Shown):
    """Token metadata without the secret."""

    id: str
    device_id: str
    device_name: str
    status: TokenStatus
    created_by: str
    created_at: datetime
    expires_at: datetime
    consumed_at: datetime | None = None


class ProvisionRequest(Body):
    """Sent by the device itself."""

    token: Annotated[Text, Field(min_length=1, max_length=256)]
    csr: Annotated[Text, Field(min_length=1, max_length=16_384)]
    firmware_version: Annotated[Text, Field(max_length=255)] | None = None
    hardware_model: Annotated[Text, Field(max_length=255)] | None = None
    serial_number: Annotated[Text, Field(max_length=255)] | None = None


class RenewRequest(Body):
    """A new key pair is recommended."""

    csr: Annotated[Text, Field(min_length=1, max_length=16_384)]


class BrokerInfo(Shown):
    """How to connect."""

    host: str
    port: int
    protocol: str
    client_id: str
    keep_alive_seconds: int | None = None


class ProvisionResponse(Shown):
    """Identity material returned to the device."""

    device_id: str
    organization_id: str
    certificate: str
    ca_chain: str
    serial_number: str
    not_after: datetime
    broker: BrokerInfo
    renew_endpoint: str | None = None


class Certificate(Shown):
    """Device identity certificate (no key material)."""

    serial_number: str
    fingerprint_sha256: str
    subject: str
    not_before: datetime
    not_after: datetime
    status: Literal["ACTIVE", "SUPERSEDED", "REVOKED", "EXPIRED"]
    revoked_at: datetime | None = None


def status(row: Row) -> str:
    """A device that another dialect turned away is as good as inactive here."""
    return "INACTIVE" if row["status"] == "REJECTED" else str(row["status"])


def device(row: Row, provisioned_at: datetime | None = None, profile: Row | None = None) -> dict[str, Any]:
    return present(
        id=row["id"],
        name=row["name"],
        status=status(row),
        online=row["online"],
        virtual=row["virtual"],
        description=row["description"],
        deviceProfile=profile_ref(profile) if profile else None,
        siteId=row["site"],
        location=row["location"],
        tags=list(row["tags"]) or None,
        metadata=row["metadata"],
        serialNumber=row["serial"],
        firmwareVersion=row["firmware_version"],
        lastSeenAt=stamp(row["last_seen_at"]),
        provisionedAt=stamp(provisioned_at),
        createdAt=stamp(row["created_at"]),
        updatedAt=stamp(row["updated_at"]),
    )


def profile_ref(row: Row) -> dict[str, str]:
    return {"id": row["id"], "name": row["body"]["name"], "version": row["body"]["version"]}


HEALTH = {
    "uptimeSeconds": int, "freeHeapBytes": int, "signalStrengthDbm": int, "connectionType": str, "readingsSent": int,
    "readingsDropped": int, "batteryPercent": (int, float), "firmwareVersion": str,
}  # fmt: skip
"""What a device may say of itself: other dialects' metrics have other names and stay out."""


def health(device: str, at: datetime, metrics: dict[str, Any], ip_address: str | None, online: bool) -> dict[str, Any]:
    said = {name: metrics[name] for name, kind in HEALTH.items() if isinstance(metrics.get(name), kind)}  # type: ignore[arg-type]
    return present(deviceId=device, recordedAt=stamp(at), **said, ipAddress=ip_address, online=online)


def token(row: Row) -> dict[str, Any]:
    return present(
        id=row["id"],
        deviceId=row["device"],
        deviceName=row["name"],
        status=row["status"],
        createdBy=row["created_by"],
        createdAt=stamp(row["created_at"]),
        expiresAt=stamp(row["expires_at"]),
        consumedAt=stamp(row["spent_at"]),
    )


def certificates(rows: list[Row], now: datetime) -> list[dict[str, Any]]:
    """Certificates of one device; one that another renews is superseded, and opens for a day still."""
    renewed = {row["renews"]: row["created_at"] for row in reversed(rows)}
    return [
        present(
            serialNumber=row["serial_number"],
            fingerprintSha256=row["fingerprint"],
            subject=row["subject"],
            notBefore=stamp(row["not_before"]),
            notAfter=stamp(row["not_after"]),
            status=standing(row, renewed.get(row["serial_number"]), now),
            revokedAt=stamp(row["revoked_at"]),
        )
        for row in rows
    ]


def standing(row: Row, renewed_at: datetime | None, now: datetime) -> str:
    if row["revoked_at"] is not None:
        return "REVOKED"
    if row["not_after"] <= now or (renewed_at is not None and renewed_at + OVERLAP <= now):
        return "EXPIRED"
    return "SUPERSEDED" if renewed_at is not None else "ACTIVE"
