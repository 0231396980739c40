"""Webhook events as rows. A message's row says what is to be done with it; endpoints never touch messages' rows, since
streams meet in no fixed order: what a disabled endpoint means for its messages is told by queries. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from projections.rows import Change, Put, Row, Values, stamps
from schemas.base import Envelope
from schemas.webhooks.messages import (
    AttemptFailed,
    Body,
    EndpointChanged,
    EndpointCreated,
    EndpointDeleted,
    EndpointDisabled,
    EndpointSecretRotated,
    EventAnnounced,
    Events,
    MessageBlocked,
    MessageCancelled,
    MessageDelivered,
    MessageExhausted,
    MessageQueued,
    RetryRequested,
    SigningKeyAdded,
)

AT_REST: Values = {"due": None, "asked": None, "trigger": None}
COMMON = frozenset(EndpointCreated.__struct_fields__) & frozenset(EndpointChanged.__struct_fields__) - {"endpoint"}


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    """Every event as what it changes."""
    match event:
        case EndpointCreated() | EndpointChanged() | EndpointDeleted() | EndpointDisabled() | EndpointSecretRotated():
            return of_endpoint(event, meta)
        case SigningKeyAdded():
            return (Put("signing_keys", {"id": meta.id}, {**born(meta), **plain(event)}),)
        case EventAnnounced():
            values = {name: getattr(event, name) for name in ("event_type", "occurred_at", "job")}
            kept = {**values, "body": body(event.body), "thin": event.thin and body(event.thin)}
            return (Put("events", {"id": event.event}, {**born(meta), **kept}),)
        case MessageQueued():
            return (queued(event, meta),)
        case _:
            return (Change("messages", {"id": meta.stream}, {**told(meta), **of_message(event, meta)}),)


def of_endpoint(
    event: EndpointCreated | EndpointChanged | EndpointDeleted | EndpointDisabled | EndpointSecretRotated,
    meta: Envelope,
) -> Iterable[Row]:
    key = {"id": event.endpoint}
    match event:
        case EndpointCreated():
            yield Put("endpoints", key, {**born(meta), **common(event)})
            yield secret(event.endpoint, event.secret, meta)
        case EndpointChanged():
            enabled = {"disabled_reason": None, "enabled_at": meta.time} if event.enabled else {}
            yield Change("endpoints", key, {**told(meta), **common(event), "state": event.state, **enabled})
        case EndpointDeleted():
            yield Change("endpoints", key, {**told(meta), "retired_at": meta.time})
        case EndpointDisabled(reason=reason):
            disabled = {"state": "disabled", "disabled_reason": reason, "disabled_at": meta.time}
            yield Change("endpoints", key, {**told(meta), **disabled})
        case EndpointSecretRotated():
            yield Change("endpoints", key, {**told(meta), "legacy_header_uses": event.legacy_header_uses})
            yield Change("secrets", {"id": event.previous}, {**told(meta), "expires_at": event.previous_expires_at})
            yield secret(event.endpoint, event.secret, meta)


def secret(endpoint: str, sealed: str, meta: Envelope) -> Put:
    return Put("secrets", {"id": meta.id}, {**born(meta), "endpoint": endpoint, "secret": sealed})


def queued(event: MessageQueued, meta: Envelope) -> Put:
    values = {name: value for name, value in plain(event).items() if name not in ("body", "delays")}
    waits = {"body": body(event.body), "due": meta.time, "trigger": "scheduled"}
    return Put("messages", {"id": meta.stream}, {**born(meta), **values, **waits})


def of_message(event: Any, meta: Envelope) -> Values:
    match event:
        case AttemptFailed():
            waits: Values = {"due": event.due, **beside(event)}
            return {**tried(event), **waits, **({"state": "retry_scheduled"} if event.due else {})}
        case MessageDelivered():
            return {**tried(event), **AT_REST, "state": "delivered", "delivered_at": event.ended_at}
        case MessageCancelled(reason=reason, state=ended):
            return {**AT_REST, "state": ended, "reason": reason}
        case MessageBlocked():
            return {**AT_REST, "state": "blocked"}
        case MessageExhausted():
            return {"due": None, "state": "exhausted"}
        case RetryRequested(trigger=trigger, due=due):
            return {"asked": due, "trigger": trigger}
    return {}


def tried(event: AttemptFailed | MessageDelivered) -> Values:
    """Of the first try the start is kept; the size is known from then on."""
    first = {"first_attempt_at": event.started_at} if event.number == 1 else {}
    return {
        "attempts": event.number,
        "last_outcome": event.outcome,
        "last_status": event.status,
        "payload_bytes": event.payload_bytes,
        "payload_sha256": event.payload_sha256,
        **first,
    }


def beside(event: AttemptFailed) -> Values:
    """A try besides the schedule is done; the schedule's own leaves one that was asked for meanwhile."""
    if event.trigger == "scheduled":
        return {}
    return {"asked": None, "trigger": "scheduled" if event.due else None}


def common(event: EndpointCreated | EndpointChanged) -> Values:
    return {name: value for name, value in plain(event).items() if name in COMMON}


def plain(event: msgspec.Struct) -> Values:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def body(parts: Body) -> Any:
    return msgspec.to_builtins(parts)


def told(meta: Envelope) -> Values:
    return stamps(meta)


def born(meta: Envelope) -> Values:
    return {**stamps(meta), "created_at": meta.time}
