"""An organisation's standing receivers, as one stream: what they want to hear of, and what they are told. Pure.

One stream, because to fan out an event is a decision over all of them; each message then has a stream of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from schemas.base import Envelope, Event
from schemas.ids import derived_id
from schemas.webhooks.messages import (
    Addressee,
    AddSigningKey,
    AnnounceEvent,
    Body,
    ChangeEndpoint,
    CreateEndpoint,
    DeleteEndpoint,
    DisableEndpoint,
    EndpointChanged,
    EndpointCreated,
    EndpointDeleted,
    EndpointDisabled,
    EndpointSecretRotated,
    EventAnnounced,
    RotateEndpointSecret,
    SigningKeyAdded,
)
from streams.decision import Refusal

MOST_ENDPOINTS = 100
MOST_OLD_SECRETS = 10
ALERT_EVERY = timedelta(hours=1)
DISABLED, EXHAUSTED = "webhook.endpoint.disabled", "webhook.delivery.exhausted"

EndpointCommand = (
    CreateEndpoint
    | ChangeEndpoint
    | DeleteEndpoint
    | RotateEndpointSecret
    | DisableEndpoint
    | AnnounceEvent
    | AddSigningKey
)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What deciding needs of a receiver; the rest stands in its row."""

    state: str = "active"
    secret: str = ""
    event_types: tuple[str, ...] = ()
    style: str = "standard"
    payload: str = "full"
    delays: tuple[int, ...] = ()
    old_secrets: tuple[datetime, ...] = ()
    alerted_at: datetime | None = None


class Receivers(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All of an organisation's endpoints by id."""

    endpoints: dict[str, Endpoint] = {}
    keys: tuple[str, ...] = ()


def receivers_stream(organisation: str) -> str:
    """The stream of an organisation's receivers."""
    return derived_id(organisation, "webhooks.receivers")


def wants(endpoint: Endpoint, event_type: str) -> bool:
    """An empty list means all but the operational ones."""
    if endpoint.event_types:
        return event_type in endpoint.event_types
    return not event_type.startswith("webhook.")


def decide(state: Receivers, command: EndpointCommand, meta: Envelope) -> tuple[Event, ...] | Refusal:
    match command:
        case CreateEndpoint():
            return created(state, command)
        case AnnounceEvent():
            return announced(state, command, meta)
        case AddSigningKey():
            return () if command.key_id in state.keys else (SigningKeyAdded(**msgspec.structs.asdict(command)),)
    endpoint = state.endpoints.get(command.endpoint)
    if endpoint is None:
        return () if isinstance(command, DeleteEndpoint | DisableEndpoint) and meta.cause else Refusal("unknown")
    match command:
        case ChangeEndpoint():
            return changed(endpoint, command)
        case DeleteEndpoint(endpoint=id):
            return (EndpointDeleted(endpoint=id),)
        case RotateEndpointSecret():
            return rotated(endpoint, command, meta)
        case DisableEndpoint():
            return disabled(state, endpoint, command, meta)


def created(state: Receivers, command: CreateEndpoint) -> tuple[Event, ...] | Refusal:
    if command.endpoint in state.endpoints:
        return ()
    if len(state.endpoints) >= MOST_ENDPOINTS:
        return Refusal("conflict", f"an organisation has at most {MOST_ENDPOINTS} endpoints")
    return (EndpointCreated(**msgspec.structs.asdict(command)),)


def changed(endpoint: Endpoint, command: ChangeEndpoint) -> tuple[Event, ...]:
    said = {**msgspec.structs.asdict(command), "state": command.state or endpoint.state}
    return (EndpointChanged(**said, enabled=endpoint.state == "disabled" and command.state == "active"),)


def rotated(endpoint: Endpoint, command: RotateEndpointSecret, meta: Envelope) -> tuple[Event, ...] | Refusal:
    if len(live(endpoint.old_secrets, meta.time)) >= MOST_OLD_SECRETS:
        return Refusal("conflict", f"{MOST_OLD_SECRETS} former secrets still sign", "secret")
    expires = meta.time + timedelta(seconds=command.grace_seconds)
    return (
        EndpointSecretRotated(
            endpoint=command.endpoint,
            secret=command.secret,
            legacy_header_uses=command.legacy_header_uses,
            previous=endpoint.secret,
            previous_expires_at=expires,
        ),
    )


def disabled(state: Receivers, endpoint: Endpoint, command: DisableEndpoint, meta: Envelope) -> tuple[Event, ...]:
    """The others that listen for it are told."""
    if endpoint.state == "disabled":
        return ()
    body = Body(head=told(endpoint_id=command.endpoint, reason=command.reason))
    notice = AnnounceEvent(event_type=DISABLED, event=meta.id, occurred_at=meta.time, body=body, about=command.endpoint)
    return EndpointDisabled(endpoint=command.endpoint, reason=command.reason), *announced(state, notice, meta)


def announced(state: Receivers, command: AnnounceEvent, meta: Envelope) -> tuple[Event, ...]:
    """One event for the record, addressed to every endpoint that wants it and can have it."""
    about = state.endpoints.get(command.about or "")
    if command.event_type == EXHAUSTED and about and about.alerted_at and meta.time - about.alerted_at < ALERT_EVERY:
        return ()
    endpoints = tuple(
        Addressee(endpoint=id, style=endpoint.style, payload=endpoint.payload, delays=endpoint.delays)
        for id, endpoint in sorted(state.endpoints.items())
        if id != command.about and endpoint.state != "disabled" and wants(endpoint, command.event_type)
    )
    said = {name: getattr(command, name) for name in AnnounceEvent.__struct_fields__}
    return (EventAnnounced(**said, endpoints=endpoints),)


def told(**members: str | None) -> str:
    return msgspec.json.encode(members).decode()


def live(old_secrets: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    return tuple(expires for expires in old_secrets if expires > now)


def apply(state: Receivers, event: Event, meta: Envelope) -> Receivers:
    match event:
        case EndpointCreated():
            return with_endpoint(state, event.endpoint, shaped(Endpoint(secret=meta.id), event))
        case EndpointChanged():
            former = state.endpoints[event.endpoint]
            return with_endpoint(
                state, event.endpoint, msgspec.structs.replace(shaped(former, event), state=event.state)
            )
        case EndpointDeleted():
            rest = {id: endpoint for id, endpoint in state.endpoints.items() if id != event.endpoint}
            return msgspec.structs.replace(state, endpoints=rest)
        case EndpointSecretRotated():
            former = state.endpoints[event.endpoint]
            old = (*live(former.old_secrets, meta.time), event.previous_expires_at)
            return with_endpoint(
                state, event.endpoint, msgspec.structs.replace(former, secret=meta.id, old_secrets=old)
            )
        case EndpointDisabled():
            former = state.endpoints[event.endpoint]
            return with_endpoint(state, event.endpoint, msgspec.structs.replace(former, state="disabled"))
        case EventAnnounced(event_type=kind, about=str(about)) if kind == EXHAUSTED and about in state.endpoints:
            alerted = msgspec.structs.replace(state.endpoints[about], alerted_at=meta.time)
            return with_endpoint(state, about, alerted)
        case SigningKeyAdded():
            return msgspec.structs.replace(state, keys=(*state.keys, event.key_id))
    return state


def with_endpoint(state: Receivers, id: str, endpoint: Endpoint) -> Receivers:
    return msgspec.structs.replace(state, endpoints={**state.endpoints, id: endpoint})


def shaped(former: Endpoint, event: EndpointCreated | EndpointChanged) -> Endpoint:
    return msgspec.structs.replace(
        former,
        event_types=event.event_types,
        style=event.payload_style,
        payload=event.payload,
        delays=event.delays,
    )
