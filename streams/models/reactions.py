"""What other contexts tell that the models act on. Pure."""

from __future__ import annotations

from schemas.base import Envelope
from schemas.fleet.messages import DeviceRetired
from schemas.models.messages import ModelRemoved, RemovePipelines
from streams.decision import Send


def clear(_event: DeviceRetired, meta: Envelope) -> tuple[Send, ...]:
    """A device that has left runs nothing, so its models can be removed."""
    return (Send(f"pipelines:{meta.stream}", RemovePipelines(device=meta.stream)),)


def take_off(event: ModelRemoved, meta: Envelope) -> tuple[Send, ...]:
    """A model that is gone runs nowhere, whether the site is online or not."""
    return tuple(
        Send(f"pipelines:{device}", RemovePipelines(device=device, model=meta.stream)) for device in event.devices
    )
