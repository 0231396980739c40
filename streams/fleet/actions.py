"""What a device is asked to do, told when it checks in. The stream is `actions:` and the device id. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, assert_never

import msgspec

from schemas.base import Envelope
from schemas.fleet.messages import (
    ActionMoved,
    ActionQueued,
    CancelAction,
    DeliverActions,
    ExpireAction,
    QueueAction,
    ReportAction,
    RunModel,
)
from streams.decision import Reference, Refusal, Timer

Commands = QueueAction | DeliverActions | ReportAction | RunModel | CancelAction | ExpireAction
Events = ActionQueued | ActionMoved
Status = Literal["pending", "delivered", "in_progress", "completed", "failed", "cancelled", "expired"]

KEPT = timedelta(hours=24)
REMEMBERED = 100
"""So many ended actions are known still: a device may repeat its last word."""
TYPES = frozenset({"deploy_model", "deploy", "remove_model", "update_config", "restart_agent", "capture_image"})
ORDERS = frozenset(
    {
        "REBOOT",
        "UPDATE_CONFIG",
        "UPDATE_FIRMWARE",
        "BIND_CONFIG_ARTEFACT",
        "UNBIND_CONFIG_ARTEFACT",
        "CAPTURE_CLIP",
        "FETCH_DVR_CLIP",
        "START_LIVE",
        "STOP_LIVE",
        "CUSTOM",
    }
)
"""The commands of the IoT dialect: the same thing in its words."""
WAITING = frozenset({"pending", "delivered"})
OPEN = WAITING | {"in_progress"}
REPORTED = frozenset({"in_progress", "completed", "failed"})


class Action(msgspec.Struct, frozen=True):
    type: str
    until: datetime
    model: str | None = None
    """As the device was shown it."""
    status: Status = "pending"

    @property
    def open(self) -> bool:
        return self.status in OPEN


class Actions(msgspec.Struct, frozen=True):
    """All that are open and the last that are not, oldest first."""

    known: dict[str, Action] = msgspec.field(default_factory=dict)


def stream_of(device: str) -> str:
    return f"actions:{device}"


def decide(actions: Actions, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    known = actions.known
    match command:
        case QueueAction():
            return queue(actions, command, meta)
        case DeliverActions(actions=ids):
            return tuple(moved(id, "delivered") for id in ids if id in known and known[id].status == "pending")
        case RunModel(model=model):
            deployed = (
                id for id, one in known.items() if one.open and one.type == "deploy_model" and one.model == model
            )
            return tuple(moved(id, "completed") for id in deployed)
        case ExpireAction(action=id):
            return (moved(id, "expired"),) if id in known and known[id].open else ()
        case ReportAction() | CancelAction():
            one = known.get(command.action)
            if one is None:
                return Refusal("unknown")
            return cancel(one, command) if isinstance(command, CancelAction) else report(one, command)
        case _:
            assert_never(command)


def queue(actions: Actions, command: QueueAction, meta: Envelope) -> tuple[Events, ...] | Refusal:
    """A newer model takes the place of one that the device has not begun with."""
    if command.action in actions.known:
        return ()
    if command.type not in TYPES | ORDERS:
        return Refusal("invalid", f"{command.type} is no action.", "type")
    if command.type == "deploy_model" and command.artefact is None:
        return Refusal("invalid", "deploy_model needs a model.", "model_version_id")
    older = [id for id, one in actions.known.items() if one.type == command.type and one.status in WAITING]
    replaced = older if command.type == "deploy_model" else []
    told = msgspec.structs.asdict(command)
    seconds = told.pop("seconds")
    queued = ActionQueued(**told, until=meta.time + (KEPT if seconds is None else timedelta(seconds=seconds)))
    return (*(moved(id, "cancelled") for id in replaced), queued)


def report(one: Action, command: ReportAction) -> tuple[Events, ...] | Refusal:
    if command.status not in REPORTED:
        return Refusal("invalid", f"{command.status} is nothing to report.", "status")
    if command.status == one.status:
        return ()
    if one.status not in OPEN - {"pending"}:
        return Refusal("invalid_state", f"The action is {one.status}.", "status")
    return (ActionMoved(action=command.action, status=command.status, message=command.message),)


def cancel(one: Action, command: CancelAction) -> tuple[Events, ...] | Refusal:
    if one.status not in WAITING:
        return Refusal("invalid_state", f"The action is {one.status}.")
    return (moved(command.action, "cancelled"),)


def moved(id: str, status: Status) -> ActionMoved:
    return ActionMoved(action=id, status=status)


def apply(actions: Actions, event: Events) -> Actions:
    match event:
        case ActionQueued(action=id, type=type, until=until, artefact=artefact):
            return Actions(actions.known | {id: Action(type, until, artefact and artefact["id"])})
        case ActionMoved(action=id):
            status: Any = event.status
            return remembered(actions.known | {id: msgspec.structs.replace(actions.known[id], status=status)})
        case _:
            assert_never(event)


def remembered(known: dict[str, Action]) -> Actions:
    ended = [id for id, one in known.items() if not one.open]
    forgotten = set(ended[:-REMEMBERED])
    return Actions({id: one for id, one in known.items() if id not in forgotten})


def references(command: Commands) -> tuple[Reference, ...]:
    """The device, and the model that it is to fetch."""
    if not isinstance(command, QueueAction):
        return ()
    device = Reference("device", command.device, "unknown")
    return (device, Reference("model", command.model, "unknown")) if command.model else (device,)


def timers(actions: Actions) -> tuple[Timer, ...]:
    return tuple(Timer(id, one.until, ExpireAction(action=id)) for id, one in actions.known.items() if one.open)
