"""What a device sends: which pictures are kept, and in which batch. The stream is the device id. Pure.

A batch collects until it is full or the device has been quiet for a while. A picture too much like the last one kept
from the same source is dropped; two pictures are compared by the difference hash of their grey thumbnails.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from schemas.base import Envelope
from schemas.datasets.messages import (
    CloseIntake,
    ConfigureIntake,
    ImageDropped,
    ImageKept,
    IntakeClosed,
    IntakeConfigured,
    TakeImage,
)
from streams.decision import Refusal, Timer

SOURCES = 64
"""Sources of a device whose last picture is remembered."""

IntakeCommand = TakeImage | CloseIntake | ConfigureIntake
IntakeEvent = ImageKept | ImageDropped | IntakeClosed | IntakeConfigured


class Rules(msgspec.Struct, frozen=True):
    """The organisation's settings (contract 6.4), as its last picture brought them."""

    batch_timeout_minutes: int = 30
    batch_max_images: int = 1000
    auto_close: bool = True
    similarity_filter: bool = True
    similarity_threshold: float = 0.95


class Open(msgspec.Struct, frozen=True):
    """The batch that collects now."""

    batch: str
    images: int
    last: datetime
    rules: Rules = Rules()

    def quiet_at(self) -> datetime:
        return self.last + timedelta(minutes=self.rules.batch_timeout_minutes)

    def over(self, now: datetime) -> bool:
        return self.rules.auto_close and now >= self.quiet_at()


class Intake(msgspec.Struct, frozen=True):
    open: Open | None = None
    project: str | None = None
    hashes: dict[str, str] = msgspec.field(default_factory=dict)
    """Hash of the last picture kept, by source."""


def decide(intake: Intake, command: IntakeCommand, meta: Envelope) -> tuple[IntakeEvent, ...] | Refusal:
    match command:
        case TakeImage():
            return take(intake, command, meta)
        case CloseIntake(batch=batch, reason=reason):
            if intake.open is None or intake.open.batch != batch:
                return ()
            if reason == "quiet" and not intake.open.over(meta.time):
                return ()
            return (closed(intake, batch, reason),)
        case ConfigureIntake(project=project):
            return () if project == intake.project else (IntakeConfigured(project=project),)
        case _:
            assert_never(command)


def take(intake: Intake, command: TakeImage, meta: Envelope) -> tuple[IntakeEvent, ...]:
    told: list[IntakeEvent] = []
    now = intake.open
    rules = msgspec.convert(command.rules, Rules)
    if now is not None and now.over(meta.time):
        told.append(closed(intake, now.batch, "quiet"))
        now = None
    before = intake.hashes.get(command.source)
    if rules.similarity_filter and not command.force and similar(before, command.hash, rules.similarity_threshold):
        dropped = ImageDropped(image=command.image, batch=now.batch if now else None, reason="similar_frame")
        return (*told, dropped)
    name = f"{command.device_name} {meta.time:%Y-%m-%d %H:%M}" if now is None else None
    batch = now.batch if now else command.batch
    kept = ImageKept(
        image=command.image,
        batch=batch,
        hash=command.hash,
        source=command.source,
        opens=name,
        annotations=command.annotations,
        rules=command.rules,
    )
    told.append(kept)
    if rules.auto_close and (now.images if now else 0) + 1 >= rules.batch_max_images:
        told.append(closed(intake, batch, "full"))
    return tuple(told)


def closed(intake: Intake, batch: str, reason: str) -> IntakeClosed:
    return IntakeClosed(batch=batch, reason=reason, project=intake.project)


def similar(before: str | None, hash: str, threshold: float) -> bool:
    """Whether so large a share of the 64 bits of the two hashes agrees."""
    return before is not None and 1 - (int(before, 16) ^ int(hash, 16)).bit_count() / 64 >= threshold


def apply(intake: Intake, event: IntakeEvent, meta: Envelope) -> Intake:
    put = msgspec.structs.replace
    match event:
        case ImageKept(batch=batch, source=source, hash=hash, rules=rules):
            images = intake.open.images if intake.open and intake.open.batch == batch else 0
            others = [(name, seen) for name, seen in intake.hashes.items() if name != source][1 - SOURCES :]
            return put(
                intake,
                open=Open(batch, images + 1, meta.time, msgspec.convert(rules, Rules)),
                hashes=dict([*others, (source, hash)]),
            )
        case ImageDropped():
            return intake
        case IntakeClosed():
            return put(intake, open=None)
        case IntakeConfigured(project=project):
            return put(intake, project=project)
        case _:
            assert_never(event)


def timers(intake: Intake) -> tuple[Timer, ...]:
    if intake.open is None or not intake.open.rules.auto_close:
        return ()
    return (Timer("quiet", intake.open.quiet_at(), CloseIntake(batch=intake.open.batch)),)
