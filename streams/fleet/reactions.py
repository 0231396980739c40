"""What other contexts tell that the fleet acts on. Pure."""

from __future__ import annotations

from schemas.base import Envelope
from schemas.fleet.messages import RegisterDevice
from schemas.provisioning.messages import DeviceEnrolled
from streams.decision import Send


def register(event: DeviceEnrolled, meta: Envelope) -> tuple[Send, ...]:
    """A device that holds a key is a device of the fleet, under the same id."""
    command = RegisterDevice(
        name=event.name,
        external_id=event.external_id,
        hardware_version=event.hardware_version,
        agent_version=event.agent_version,
        ip_address=event.ip_address,
    )
    return (Send(meta.stream, command),)
