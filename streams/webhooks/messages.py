"""One message for one receiver: queued, tried, delivered or given up. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from schemas.base import Envelope, Event
from schemas.webhooks.messages import (
    AttemptFailed,
    CancelMessage,
    ExpireMessage,
    MessageBlocked,
    MessageCancelled,
    MessageDelivered,
    MessageExhausted,
    MessageQueued,
    QueueMessage,
    RecordAttempt,
    RetryMessage,
    RetryRequested,
)
from streams.decision import Refusal, Timer
from streams.webhooks.schedule import DELAYS, HORIZON, next_try, overloaded

OPEN: tuple[str, ...] = ("pending", "retry_scheduled")
DISABLED = "endpoint_disabled"
ONCE = "webhook.test"
"""Its messages are tried once."""

MessageCommand = QueueMessage | RecordAttempt | RetryMessage | CancelMessage | ExpireMessage


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What later decisions need: whom it is for, how far the schedule is."""

    receiver: str
    endpoint: str | None
    event_type: str
    event: str
    job: str | None
    delays: tuple[int, ...]
    horizon: datetime
    state: str = "pending"
    attempts: int = 0
    scheduled: int = 0
    due: datetime | None = None
    traceparent: str = ""


def message_id(stream: str) -> str:
    """The `webhook-id` of a message."""
    return f"msg_{UUID(stream).hex}"


def decide(state: Message | None, command: MessageCommand, meta: Envelope) -> tuple[Event, ...] | Refusal:
    if isinstance(command, QueueMessage):
        return () if state else (queued(command),)
    if state is None:
        return Refusal("unknown")
    match command:
        case RecordAttempt():
            return recorded(state, command)
        case RetryMessage(trigger=trigger, due=due):
            if state.state == "blocked":
                return Refusal("invalid_state", "a blocked message is not sent again")
            return (RetryRequested(trigger=trigger, due=due or meta.time),)
        case CancelMessage(reason=reason):
            return stopped(state, reason, meta)
        case ExpireMessage():
            return (exhausted(state),) if state.state in OPEN else ()


def stopped(state: Message, reason: str, meta: Envelope) -> tuple[Event, ...] | Refusal:
    """An open message ends. Of one that has ended, a try that was asked for besides cannot be made: so much is told,
    and nothing else changes; a caller has nothing there to stop."""
    if state.state in OPEN:
        return (cancelled(reason),)
    if meta.cause is not None:
        return (MessageCancelled(reason=reason, state=state.state),)
    return () if state.state in ("cancelled", DISABLED) else Refusal("invalid_state", f"the message is {state.state}")


def queued(command: QueueMessage) -> MessageQueued:
    return MessageQueued(**msgspec.structs.asdict(command), expires_at=command.occurred_at + HORIZON)


def recorded(state: Message, command: RecordAttempt) -> tuple[Event, ...]:
    """A try besides the schedule neither starts nor moves one; its success ends it. A test is a schedule of one try."""
    if command.number <= state.attempts:
        return ()
    told = fields_of(command)
    if command.outcome == "success":
        return (MessageDelivered(**told),)
    if state.state not in OPEN:
        return (AttemptFailed(**told),)
    if command.outcome == "blocked_address":
        return AttemptFailed(**told), MessageBlocked()
    if command.wish is not None or command.status == 410:
        return AttemptFailed(**told), cancelled(command.wish or "gone")
    if command.trigger not in ("scheduled", "test"):
        return (AttemptFailed(**told, due=state.due),)
    due = following(state, command)
    failed = AttemptFailed(**told, due=due)
    return (failed,) if due else (failed, exhausted(state))


def following(state: Message, command: RecordAttempt) -> datetime | None:
    return next_try(
        state.scheduled + 1,
        command.ended_at,
        state.horizon,
        jitter=command.jitter,
        overload=overloaded(command.outcome, command.status),
        retry_after=command.retry_after,
        delays=() if state.event_type == ONCE else state.delays or DELAYS,
    )


def fields_of(command: RecordAttempt) -> dict[str, Any]:
    return {name: getattr(command, name) for name in MessageDelivered.__struct_fields__}


def exhausted(state: Message) -> MessageExhausted:
    return MessageExhausted(
        receiver=state.receiver, endpoint=state.endpoint, event_type=state.event_type, event=state.event, job=state.job
    )


def cancelled(reason: str) -> MessageCancelled:
    return MessageCancelled(reason=reason, state=DISABLED if reason == DISABLED else "cancelled")


def apply(state: Message | None, event: Event, meta: Envelope) -> Message | None:
    if isinstance(event, MessageQueued):
        return Message(
            receiver=event.receiver,
            endpoint=event.endpoint,
            event_type=event.event_type,
            event=event.event,
            job=event.job,
            delays=event.delays,
            horizon=event.expires_at,
            due=meta.time,
            traceparent=event.traceparent,
        )
    if state is None:
        return None
    replace = msgspec.structs.replace
    match event:
        case AttemptFailed(number=number, trigger=trigger, due=due):
            counted = replace(state, attempts=number, scheduled=state.scheduled + (trigger == "scheduled"))
            return replace(counted, due=due, state="retry_scheduled") if state.state in OPEN else counted
        case MessageDelivered(number=number):
            return replace(state, attempts=number, state="delivered", due=None)
        case MessageCancelled(state=ended):
            return replace(state, state=ended, due=None)
        case MessageBlocked():
            return replace(state, state="blocked", due=None)
        case MessageExhausted():
            return replace(state, state="exhausted", due=None)
    return state


def timers(state: Message) -> tuple[Timer, ...]:
    """A message that waits behind a circuit or a pause still ends at its horizon."""
    if state.state not in OPEN:
        return ()
    return (Timer("expire", state.horizon, ExpireMessage(traceparent=state.traceparent)),)
