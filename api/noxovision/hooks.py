"""Bodies of endpoints, deliveries and events (contract, operations 11 to 27)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from api.noxovision.wire import Body, HeaderValue

EventName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*$", max_length=128)]
Url = Annotated[str, Field(max_length=2048, json_schema_extra={"format": "uri"})]
Secret = Annotated[str, Field(pattern=r"^whsec_[A-Za-z0-9+/=]{32,88}$", json_schema_extra={"writeOnly": True})]
Delay = Annotated[int, Field(ge=1, le=86_400)]
Scheme = Literal["v1", "v1a", "rfc9421", "legacy"]
DeliveryState = Literal[
    "pending", "sending", "retry_scheduled", "delivered", "exhausted", "cancelled", "blocked", "endpoint_disabled"
]


class Mtls(Body):
    client_certificate_pem: Annotated[str, Field(max_length=65_536)]
    client_key_pem: Annotated[str, Field(max_length=65_536, json_schema_extra={"writeOnly": True})]
    ca_pem: Annotated[str, Field(max_length=262_144)] | None = None


class Shape(Body):
    """What an endpoint may be given and may be changed to."""

    description: Annotated[str, Field(max_length=256)] | None = None
    event_types: Annotated[tuple[EventName, ...], Field(max_length=64)] = ()
    signing: Annotated[tuple[Scheme, ...], Field(min_length=1, max_length=4)] = ("v1", "legacy")
    payload_style: Literal["standard", "compat"] = "standard"
    payload: Literal["full", "thin"] = "full"
    headers: Annotated[dict[str, HeaderValue], Field(max_length=20, default_factory=dict)]
    timeout_seconds: Annotated[int, Field(ge=1, le=30)] = 15
    throttle_per_second: Annotated[int, Field(ge=1, le=65_535)] | None = None
    max_in_flight: Annotated[int, Field(ge=1, le=100)] = 10
    fifo: bool = False
    retry_schedule_seconds: Annotated[tuple[Delay, ...], Field(max_length=16)] = ()
    mtls: Mtls | None = None
    metadata: Annotated[dict[str, Annotated[str, Field(max_length=512)]], Field(max_length=50, default_factory=dict)]


class EndpointIn(Shape):
    url: Url
    secret: Secret | None = None


class EndpointPatch(Shape):
    url: Url = ""
    state: Literal["active", "paused"] | None = None


class RotateIn(Body):
    grace_seconds: Annotated[int, Field(ge=0, le=604_800)] = 86_400
    secret: Secret | None = None
    legacy_header_uses: Literal["current", "previous"] = "current"


class TestIn(Body):
    event_type: EventName = "webhook.test"


class RecoverIn(Body):
    since: AwareDatetime
    until: AwareDatetime | None = None
    mode: Literal["failed", "missing"] = "failed"
    max_per_second: Annotated[int, Field(ge=1, le=1000)] | None = None


class Stats(BaseModel):
    delivered: int
    failed: int
    pending: int
    p95_ms: float | None = None


class Certificates(BaseModel):
    client_certificate_pem: str
    ca_pem: str | None = None


class Endpoint(BaseModel):
    """Header values are write-only, as secrets are."""

    endpoint_id: str
    url: Url
    description: str | None
    event_types: list[str]
    signing: list[Scheme]
    payload_style: Literal["standard", "compat"]
    payload: Literal["full", "thin"]
    headers: dict[str, str]
    timeout_seconds: int
    throttle_per_second: int | None
    max_in_flight: int
    fifo: bool
    retry_schedule_seconds: list[int]
    mtls: Certificates | None
    metadata: dict[str, str]
    state: Literal["active", "paused", "disabled"]
    disabled_reason: Literal["failing", "gone", "receiver_request", "operator"] | None
    circuit: Literal["closed", "open", "half_open"]
    first_failure_at: datetime | None
    last_success_at: datetime | None
    stats_24h: Stats
    created_at: datetime
    missed_messages: int | None = None
    recover_url: str | None = None


class EndpointCreated(Endpoint):
    signing_secret: str


class EndpointPage(BaseModel):
    data: list[Endpoint]
    next_cursor: str | None


class RotateOut(BaseModel):
    signing_secret: str
    previous_expires_at: datetime | None


class Recovery(BaseModel):
    recovery_id: str
    state: Literal["running", "finished"]
    matched: int
    queued: int


class Delivery(BaseModel):
    delivery_id: str
    message_id: str
    event_type: str
    job_id: str | None
    endpoint_id: str | None
    url: str
    state: DeliveryState
    attempt_count: int
    next_attempt_at: datetime | None
    created_at: datetime
    first_attempt_at: datetime | None
    delivered_at: datetime | None
    expires_at: datetime
    payload_bytes: int
    payload_sha256: str
    last_status_code: int | None
    last_error: str | None


class DeliveryPage(BaseModel):
    data: list[Delivery]
    next_cursor: str | None


class Attempt(BaseModel):
    attempt_id: str
    delivery_id: str
    number: Annotated[int, Field(ge=1)]
    trigger: Literal["scheduled", "manual", "recovery", "test"]
    started_at: datetime
    ended_at: datetime
    outcome: str
    status_code: int | None
    remote_ip: str | None
    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    total_ms: float
    request_headers: dict[str, str]
    response_headers: dict[str, str]
    response_body: str
    response_truncated: bool
    retry_after_seconds: int | None
    next_attempt_at: datetime | None
    trace_id: str = ""


class AttemptPage(BaseModel):
    data: list[Attempt]
    next_cursor: str | None


class StandardEvent(BaseModel):
    type: str
    timestamp: datetime
    data: dict[str, Any]


class EventEntry(BaseModel):
    message_id: str
    event: StandardEvent


class EventPage(BaseModel):
    data: list[EventEntry]
    iterator: str
    done: bool


class SourceIps(BaseModel):
    cidrs: list[str]
    updated_at: datetime


class SigningKey(BaseModel):
    key_id: str
    alg: Literal["ed25519"] = "ed25519"
    public_key: Annotated[str, Field(pattern="^whpk_")]
    not_before: datetime | None = None
    not_after: datetime | None = None


class SigningKeys(BaseModel):
    keys: list[SigningKey]


class EventType(BaseModel):
    name: str
    description: str
    deprecated: bool = False
    body_schema: Annotated[dict[str, Any], Field(alias="schema")] = {}
    example: dict[str, Any] = {}


class EventTypes(BaseModel):
    data: list[EventType]
