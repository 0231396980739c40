"""Generated from webhooks/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.base import Command, Event, Fact, Json, Record


class Body(Record, frozen=True, kw_only=True):
    """The bytes of a body: head, link, object, tail. Every try sends the same."""

    head: str = ""
    link: str | None = None
    object: str | None = None
    object_bytes: int = 0
    tail: str = ""


class Addressee(Record, frozen=True, kw_only=True):
    """Addressee"""

    endpoint: str
    style: str
    payload: str
    delays: tuple[int, ...] = ()


class AddSigningKey(Command, frozen=True, kw_only=True):
    """An Ed25519 key of the organisation; the stream is that of its receivers."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    key_id: str
    private: str
    public: str


class AnnounceEvent(Command, frozen=True, kw_only=True):
    """Something receivers may want to know; the stream is that of the organisation's receivers."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    event_type: str
    event: str
    occurred_at: datetime
    job: str | None = None
    body: Body
    thin: Body | None = None
    about: str | None = None
    traceparent: str = ""


class CancelMessage(Command, frozen=True, kw_only=True):
    """No further tries."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    reason: str = "requested"


class ChangeEndpoint(Command, frozen=True, kw_only=True):
    """The endpoint as it shall be; `state` is active, paused or as it was."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    endpoint: str
    url: str
    description: str | None = None
    event_types: tuple[str, ...] = ()
    signing: tuple[str, ...]
    payload_style: str = "standard"
    payload: str = "full"
    headers: str | None = None
    header_names: tuple[str, ...] = ()
    timeout_seconds: int = 15
    throttle_per_second: int | None = None
    max_in_flight: int = 10
    fifo: bool = False
    delays: tuple[int, ...] = ()
    mtls: str | None = None
    certificates: Json | None = None
    metadata: Json = msgspec.field(default_factory=dict)
    state: str | None = None


class CreateEndpoint(Command, frozen=True, kw_only=True):
    """A standing receiver; the stream is that of the organisation's receivers."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    endpoint: str
    url: str
    description: str | None = None
    event_types: tuple[str, ...] = ()
    signing: tuple[str, ...]
    payload_style: str = "standard"
    payload: str = "full"
    headers: str | None = None
    header_names: tuple[str, ...] = ()
    timeout_seconds: int = 15
    throttle_per_second: int | None = None
    max_in_flight: int = 10
    fifo: bool = False
    delays: tuple[int, ...] = ()
    mtls: str | None = None
    certificates: Json | None = None
    metadata: Json = msgspec.field(default_factory=dict)
    secret: str


class DeleteEndpoint(Command, frozen=True, kw_only=True):
    """Takes a receiver away."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    endpoint: str


class DisableEndpoint(Command, frozen=True, kw_only=True):
    """Stops sending there: failing, gone, receiver_request, operator."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    endpoint: str
    reason: str


class ExpireMessage(Command, frozen=True, kw_only=True):
    """The horizon has passed."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    traceparent: str = ""


class QueueMessage(Command, frozen=True, kw_only=True):
    """A message for one receiver; the stream is its id."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    receiver: str
    endpoint: str | None = None
    url: str = ""
    event_type: str
    event: str
    occurred_at: datetime
    job: str | None = None
    body: Body
    secret: str | None = None
    headers: str | None = None
    delays: tuple[int, ...] = ()
    traceparent: str = ""


class RecordAttempt(Command, frozen=True, kw_only=True):
    """A try has ended. `jitter` is drawn from 0 to 1 by the sender."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    number: int
    trigger: str = "scheduled"
    outcome: str
    status: int | None = None
    started_at: datetime
    ended_at: datetime
    retry_after: int | None = None
    jitter: float = 0.5
    wish: str | None = None
    payload_bytes: int = 0
    payload_sha256: str = ""


class RetryMessage(Command, frozen=True, kw_only=True):
    """One try at `due`, whatever the state but blocked."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    trigger: str = "manual"
    due: datetime | None = None


class RotateEndpointSecret(Command, frozen=True, kw_only=True):
    """A new secret; the old one signs beside it for the grace."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.commands"

    endpoint: str
    secret: str
    legacy_header_uses: str = "current"
    grace_seconds: int = 86400


class AttemptFailed(Event, frozen=True, kw_only=True):
    """A try did not deliver; without `due` no scheduled one follows."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    number: int
    trigger: str = "scheduled"
    outcome: str
    status: int | None = None
    started_at: datetime
    ended_at: datetime
    due: datetime | None = None
    payload_bytes: int = 0
    payload_sha256: str = ""


class EndpointChanged(Event, frozen=True, kw_only=True):
    """The endpoint as it is."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    endpoint: str
    url: str
    description: str | None = None
    event_types: tuple[str, ...] = ()
    signing: tuple[str, ...]
    payload_style: str = "standard"
    payload: str = "full"
    headers: str | None = None
    header_names: tuple[str, ...] = ()
    timeout_seconds: int = 15
    throttle_per_second: int | None = None
    max_in_flight: int = 10
    fifo: bool = False
    delays: tuple[int, ...] = ()
    mtls: str | None = None
    certificates: Json | None = None
    metadata: Json = msgspec.field(default_factory=dict)
    state: str
    enabled: bool = False


class EndpointCreated(Event, frozen=True, kw_only=True):
    """A standing receiver."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    endpoint: str
    url: str
    description: str | None = None
    event_types: tuple[str, ...] = ()
    signing: tuple[str, ...]
    payload_style: str = "standard"
    payload: str = "full"
    headers: str | None = None
    header_names: tuple[str, ...] = ()
    timeout_seconds: int = 15
    throttle_per_second: int | None = None
    max_in_flight: int = 10
    fifo: bool = False
    delays: tuple[int, ...] = ()
    mtls: str | None = None
    certificates: Json | None = None
    metadata: Json = msgspec.field(default_factory=dict)
    secret: str


class EndpointDeleted(Event, frozen=True, kw_only=True):
    """A receiver is gone; what was queued for it is cancelled."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    endpoint: str


class EndpointDisabled(Event, frozen=True, kw_only=True):
    """Nothing is sent there until it is made active again."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    endpoint: str
    reason: str


class EndpointSecretRotated(Event, frozen=True, kw_only=True):
    """A new secret is current; the former one signs until it expires."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    endpoint: str
    secret: str
    legacy_header_uses: str = "current"
    previous: str
    previous_expires_at: datetime


class EventAnnounced(Event, frozen=True, kw_only=True):
    """Kept for readers behind firewalls, and queued for `endpoints`."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    event_type: str
    event: str
    occurred_at: datetime
    job: str | None = None
    body: Body
    thin: Body | None = None
    about: str | None = None
    endpoints: tuple[Addressee, ...] = ()
    traceparent: str = ""


class MessageBlocked(Event, frozen=True, kw_only=True):
    """The address is refused; no further tries."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"


class MessageCancelled(Event, frozen=True, kw_only=True):
    """No further tries: asked for, the receiver is gone or wants no more."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    reason: str
    state: str = "cancelled"


class MessageDelivered(Event, frozen=True, kw_only=True):
    """The receiver took it."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    number: int
    trigger: str = "scheduled"
    outcome: str
    status: int | None = None
    started_at: datetime
    ended_at: datetime
    payload_bytes: int = 0
    payload_sha256: str = ""


class MessageExhausted(Event, frozen=True, kw_only=True):
    """The last try failed or the horizon has passed."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    receiver: str
    endpoint: str | None = None
    event_type: str
    event: str
    job: str | None = None


class MessageQueued(Event, frozen=True, kw_only=True):
    """A message waits for its first try."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    receiver: str
    endpoint: str | None = None
    url: str = ""
    event_type: str
    event: str
    occurred_at: datetime
    job: str | None = None
    body: Body
    secret: str | None = None
    headers: str | None = None
    delays: tuple[int, ...] = ()
    expires_at: datetime
    traceparent: str = ""


class RetryRequested(Event, frozen=True, kw_only=True):
    """A try besides the schedule."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    trigger: str
    due: datetime


class SigningKeyAdded(Event, frozen=True, kw_only=True):
    """Signs from now on; the one before it for a day more."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.events"

    key_id: str
    private: str
    public: str


class Attempt(Fact, frozen=True, kw_only=True):
    """One try of a message, for the delivery log; the key is the message id."""

    CONTEXT = "webhooks"
    TOPIC = "webhooks.attempts"

    attempt: str
    endpoint: str | None = None
    number: int
    trigger: str
    started_at: datetime
    ended_at: datetime
    outcome: str
    status: int | None = None
    remote_ip: str | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float
    request_headers: Json = msgspec.field(default_factory=dict)
    response_headers: Json = msgspec.field(default_factory=dict)
    response_body: str = ""
    response_truncated: bool = False
    retry_after_seconds: int | None = None
    trace_id: str | None = None


Commands = (
    AddSigningKey
    | AnnounceEvent
    | CancelMessage
    | ChangeEndpoint
    | CreateEndpoint
    | DeleteEndpoint
    | DisableEndpoint
    | ExpireMessage
    | QueueMessage
    | RecordAttempt
    | RetryMessage
    | RotateEndpointSecret
)


Events = (
    AttemptFailed
    | EndpointChanged
    | EndpointCreated
    | EndpointDeleted
    | EndpointDisabled
    | EndpointSecretRotated
    | EventAnnounced
    | MessageBlocked
    | MessageCancelled
    | MessageDelivered
    | MessageExhausted
    | MessageQueued
    | RetryRequested
    | SigningKeyAdded
)


Facts = Attempt
