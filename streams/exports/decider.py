"""Export jobs: asked for, made by a worker under a lease, kept for a week. The stream is the job's id. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, assert_never

import msgspec

from schemas.base import Envelope
from schemas.exports.messages import (
    Commands,
    CompleteExport,
    DeleteExport,
    Events,
    ExpireExport,
    ExportCompleted,
    ExportDeleted,
    ExportExpired,
    ExportFailed,
    ExportRequested,
    ExportRequeued,
    ExportStarted,
    FailExport,
    LapseExport,
    RequestExport,
    StartExport,
)
from streams.decision import Claim, Decider, Reference, Refusal, Timer

LEASE = timedelta(minutes=10)
"""A worker stops itself before this."""
LOSSES = 2
"""A job whose worker was lost is tried once more."""
KEPT = timedelta(days=7)
LONGEST = timedelta(days=366)
SLOTS = 3
"""Open jobs of an organisation: each holds the claim on a slot."""
SCOPES = {"SITE": "record.site", "DEVICE": "device", "COMPONENT": "record.component", "SENSOR": "record.sensor"}
PARTS = frozenset({"READINGS", "ANNOTATIONS"})


class State(msgspec.Struct, frozen=True):
    status: Literal["", "PENDING", "RUNNING", "READY", "FAILED", "EXPIRED", "DELETED"] = ""
    slot: int = 0
    lease: str = ""
    worker: str = ""
    until: datetime | None = None
    losses: int = 0

    @property
    def open(self) -> bool:
        return self.status in ("PENDING", "RUNNING")


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if isinstance(command, RequestExport):
        return request(state, command)
    if state.status in ("", "DELETED"):
        return Refusal("unknown")
    match command:
        case StartExport():
            return start(state, command, meta)
        case CompleteExport():
            return complete(state, command, meta)
        case FailExport(lease=lease, code=code, message=message):
            return (ExportFailed(code=code, message=message),) if holds(state, lease) else LOST
        case LapseExport(lease=lease):
            return (lost(state, ExportRequeued(reason="worker_lost")),) if holds(state, lease) else ()
        case ExpireExport():
            return (ExportExpired(),) if state.status == "READY" else ()
        case DeleteExport():
            return Refusal("invalid_state", f"The job is {state.status}.") if state.open else (ExportDeleted(),)
        case _:
            assert_never(command)


LOST = Refusal("lease.lost", "This export is no longer yours.")


def request(state: State, command: RequestExport) -> tuple[Events, ...] | Refusal:
    if state.status:
        return Refusal("conflict")
    if not 1 <= command.slot <= SLOTS:
        return Refusal("invalid", f"An organisation has {SLOTS} slots.", "slot")
    if command.scope_type not in SCOPES:
        return Refusal("invalid", "There is no such scope.", "scope_type")
    if not command.includes or not PARTS.issuperset(command.includes):
        return Refusal("invalid", "Nothing that can be exported.", "includes")
    if not timedelta() < command.end - command.start <= LONGEST:
        return Refusal("invalid", f"From comes before to, by {LONGEST.days} days at most.", "end")
    return (ExportRequested(**msgspec.structs.asdict(command)),)


def start(state: State, command: StartExport, meta: Envelope) -> tuple[Events, ...] | Refusal:
    """A worker that was restarted takes its own job again; another waits for the timer. Either is a loss."""
    if command.lease == state.lease:
        return ()
    again = state.status == "RUNNING" and state.worker == command.worker
    if not (state.status == "PENDING" or again):
        return LOST
    started = ExportStarted(lease=command.lease, worker=command.worker, until=meta.time + LEASE)
    return (lost(state, started) if again else started,)


def lost(state: State, otherwise: Events) -> Events:
    if state.losses + 1 < LOSSES:
        return otherwise
    return ExportFailed(code="WORKER_LOST", message="The export was interrupted too often.")


def holds(state: State, lease: str) -> bool:
    return state.status == "RUNNING" and state.lease == lease


def complete(state: State, command: CompleteExport, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if not holds(state, command.lease):
        return LOST
    counts = {"size": command.size, "readings": command.readings, "annotations": command.annotations}
    return (ExportCompleted(key=command.key, until=meta.time + KEPT, **counts),)


def apply(state: State, event: Events, meta: Envelope) -> State:
    match event:
        case ExportRequested(slot=slot):
            return State("PENDING", slot)
        case ExportStarted():
            losses = state.losses + (state.status == "RUNNING")
            return State("RUNNING", state.slot, event.lease, event.worker, event.until, losses)
        case ExportRequeued():
            return State("PENDING", state.slot, losses=state.losses + 1)
        case ExportCompleted(until=until):
            return State("READY", until=until)
        case ExportFailed():
            return State("FAILED")
        case ExportExpired():
            return State("EXPIRED")
        case ExportDeleted():
            return State("DELETED")
        case _:
            assert_never(event)


def claims(state: State) -> tuple[Claim, ...]:
    return (Claim("export.slot", str(state.slot)),) if state.open else ()


def references(_state: State, command: Commands) -> tuple[Reference, ...]:
    """What is exported must live when the job is asked for."""
    if not isinstance(command, RequestExport) or command.scope_type not in SCOPES:
        return ()
    return (Reference(SCOPES[command.scope_type], command.scope_id, "unknown"),)


def timers(state: State) -> tuple[Timer, ...]:
    if state.until is None:
        return ()
    if state.status == "RUNNING":
        return (Timer("lease", state.until, LapseExport(lease=state.lease)),)
    return (Timer("kept", state.until, ExpireExport()),)


DECIDER = Decider(State, INITIAL, decide, apply, claims, references, timers)
