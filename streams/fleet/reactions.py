"""What other contexts tell that the fleet acts on. Pure."""

from __future__ import annotations

from schemas.base import Envelope
from schemas.fleet.messages import DeviceChanged, QueueAction, RegisterDevice
from schemas.ids import derived_id
from schemas.provisioning.messages import DeviceEnrolled
from streams.decision import Send
from streams.fleet.actions import stream_of


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


def configure(event: DeviceChanged, meta: Envelope) -> tuple[Send, ...]:
    """A device whose settings have changed is told them."""
    if "config" not in event.changes:
        return ()
    payload = event.changes["config"] or {}
    action = derived_id(meta.id, "update_config")
    command = QueueAction(action=action, device=meta.stream, type="update_config", payload=payload)
    return (Send(stream_of(meta.stream), command),)
