"""What follows when a device came in or left. Pure."""

from __future__ import annotations

from schemas.base import Envelope
from schemas.fleet.messages import DeviceRetired
from schemas.provisioning.messages import CertificateIssued, CloseEnrolment, DeviceEnrolled, UseToken
from streams.decision import Send


def use(event: DeviceEnrolled | CertificateIssued, meta: Envelope) -> tuple[Send, ...]:
    """The token hears of the device that it let in."""
    return (Send(event.token, UseToken(device=meta.stream)),) if event.token else ()


def close(_event: DeviceRetired, meta: Envelope) -> tuple[Send, ...]:
    """What left the fleet opens nothing any more."""
    return (Send(meta.stream, CloseEnrolment()),)
