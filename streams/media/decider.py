"""Pictures whose bytes lie in the object store. The stream is the picture's id. Pure."""

from __future__ import annotations

from typing import assert_never

import msgspec

from schemas.base import Envelope
from schemas.ids import number_of
from schemas.media.messages import Commands, DiscardImage, Events, ImageDiscarded, ImageStored, StoreImage
from streams.decision import Claim, Decider, Reference, Refusal


class State(msgspec.Struct, frozen=True):
    id: str = ""
    sha256: str = ""
    storage_key: str = ""
    live: bool = False


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    match command:
        case StoreImage():
            return Refusal("conflict", field="id") if state.id else (ImageStored(**msgspec.structs.asdict(command)),)
        case DiscardImage(reason=reason):
            return (ImageDiscarded(reason=reason, storage_key=state.storage_key),) if state.live else ()
        case _:
            assert_never(command)


def apply(state: State, event: Events, meta: Envelope) -> State:
    match event:
        case ImageStored(sha256=sha256, storage_key=key):
            return State(meta.stream, sha256, key, True)
        case ImageDiscarded():
            return msgspec.structs.replace(state, live=False)
        case _:
            assert_never(event)


def claims(state: State) -> tuple[Claim, ...]:
    """Bytes come once to an organisation. The number is a claim because integer ids of two processes may meet."""
    if not state.live:
        return ()
    return Claim("image.sha256", state.sha256, "image.duplicate"), Claim("image.number", str(number_of(state.id)))


def references(state: State, command: Commands) -> tuple[Reference, ...]:
    if not isinstance(command, StoreImage):
        return ()
    if command.device is None:
        return (Reference("batch", command.batch),)
    return (Reference("device", command.device),)


DECIDER = Decider(State, INITIAL, decide, apply, claims, references)
