"""What the batches of a device tell of its pictures. Pure."""

from __future__ import annotations

from schemas.base import Envelope
from schemas.datasets.messages import ImageDropped, ImageRemoved
from schemas.media.messages import DiscardImage
from streams.decision import Send


def discard(event: ImageDropped, _meta: Envelope) -> tuple[Send, ...]:
    """A picture too much like the last is not kept."""
    return (Send(event.image, DiscardImage(reason=event.reason)),)


def forget(_event: ImageRemoved, meta: Envelope) -> tuple[Send, ...]:
    """The bytes of a picture that is gone may come again."""
    return (Send(meta.stream, DiscardImage(reason="removed")),)
