"""Alert rules and notification channels (contract, 6.11)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field, model_validator

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import conditions, plain
from api.iot.answers import Answer, Body, Id, Name, QueryText, Shown, Text, path_id, present, told
from api.iot.auth import Admin
from api.iot.conditions import AlertCondition
from api.iot.devices import named
from api.iot.events import Severity
from api.iot.groups import Asked, Group, Wanted, answered, serve
from api.iot.problems import Problem, invalid
from api.iot.sensors import sensor_row
from infra.postgres import Connection, Row
from infra.settings import Settings
from infra.vault import open_vault
from projections.records import queries as records
from streams.webhooks.addresses import Fault, Policy, check

router = APIRouter(prefix="/v1", tags=["Alert rules and channels"])
RULE, CHANNEL = "alert-rule", "channel"
RuleId = Annotated[str, path_id("ruleId")]
ChannelType = Literal["EMAIL", "WEBHOOK"]
MASK = "********"
RULE_MEMBERS = (
    "name", "description", "sensorId", "condition", "severity", "cooldownSeconds", "enabled", "notificationChannelIds",
    "autoResolve", "lastFiredAt",
)  # fmt: skip


def secure(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError("is not an https address")
    return url


class AlertRuleWrite(Body):
    name: Name
    description: Text | None = None
    sensor_id: Id
    condition: AlertCondition
    severity: Severity
    cooldown_seconds: int = Field(default=300, ge=0, le=604_800)
    enabled: bool = True
    notification_channel_ids: list[Id] | None = Field(default=None, max_length=20)
    auto_resolve: bool = False


class AlertRule(Shown):
    """Condition on one sensor."""

    id: str
    name: str
    description: str | None = None
    sensor_id: str
    condition: AlertCondition
    severity: Severity
    cooldown_seconds: int
    enabled: bool
    notification_channel_ids: list[str] | None = None
    auto_resolve: bool | None = None
    last_fired_at: datetime | None = None
    created_by: str
    created_at: datetime
    updated_at: datetime


class NotificationChannelWrite(Body):
    name: Name
    type: ChannelType
    enabled: bool = True
    recipients: list[Annotated[Text, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]] | None = Field(
        default=None, min_length=1, max_length=20
    )
    url: Annotated[Text, Field(max_length=2000), AfterValidator(secure)] | None = None
    headers: dict[Annotated[Text, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], Text] | None = Field(
        default=None, max_length=20
    )
    secret: Annotated[Text, Field(min_length=8, max_length=256)] | None = None

    @model_validator(mode="after")
    def reachable(self) -> Self:
        if self.type == "EMAIL" and not self.recipients:
            raise ValueError("EMAIL has recipients")
        if self.type == "WEBHOOK" and not self.url:
            raise ValueError("WEBHOOK has a url")
        return self


class NotificationChannel(Shown):
    """Delivery target."""

    id: str
    name: str
    type: ChannelType
    enabled: bool
    recipients: list[str] | None = None
    url: str | None = None
    headers: dict[str, str] | None = None
    has_secret: bool | None = None
    created_at: datetime
    updated_at: datetime


async def rules(_db: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    return [plain.shown(row, *RULE_MEMBERS, createdBy=row["created_by"]) for row in rows]


async def rule_kept(asked: Asked) -> dict[str, Any]:
    """A condition that fits its sensor. The device is kept beside it, for lists.

    Errors: Problem 404, 422 OPERATOR_TYPE_MISMATCH.
    """
    body: AlertRuleWrite = asked.body
    try:
        sensor = (await sensor_row(asked.gate, asked.caller, body.sensor_id))["body"]
    except Problem:
        raise invalid("sensorId", "NOT_FOUND", "There is no such sensor.", 404, "NOT_FOUND") from None
    conditions.check(body.condition, sensor["value_type"])
    for n, channel in enumerate(body.notification_channel_ids or ()):
        await plain.needed(asked.gate, asked.caller, CHANNEL, channel, f"notificationChannelIds[{n}]")
    return {**plain.members(body), "device": sensor["device"]}


def rule_filters(
    sensor_id: Annotated[str | None, Query(alias="sensorId")] = None,
    device_id: Annotated[str | None, Query(alias="deviceId")] = None,
    severity: Severity | None = None,
    enabled: bool | None = None,
    q: QueryText | None = None,
) -> Wanted:
    sensor, device = named(sensor_id, "sensorId"), named(device_id, "deviceId")
    return Wanted(where=present(sensorId=sensor, device=device, severity=severity, enabled=enabled), q=q)


async def channels(_db: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    """Without what is secret of them."""
    return [
        plain.shown(
            row,
            *("name", "type", "enabled", "recipients", "url"),
            headers=dict.fromkeys(row["body"]["headers"], MASK) if row["body"].get("headers") else None,
            hasSecret="secret" in row["body"] if row["body"]["type"] == "WEBHOOK" else None,
        )
        for row in rows
    ]


async def channel_kept(asked: Asked) -> dict[str, Any]:
    """Secret and header values are kept as ciphertext; an omitted secret stays.

    Errors: Problem 422 for another type.
    """
    body: NotificationChannelWrite = asked.body
    old = asked.old["body"] if asked.old else {}
    if old and old["type"] != body.type:
        raise invalid("type", "CONFLICT", "The type of a channel is fixed.", 422, "INVALID_REFERENCE")
    reached(asked.gate.settings, body.url)
    vault = open_vault(asked.gate.settings)
    secret = vault.seal(body.secret) if body.secret else old.get("secret")
    headers = {name: vault.seal(value) for name, value in body.headers.items()} if body.headers else None
    plainly = {name: value for name, value in plain.members(body).items() if name not in ("secret", "headers")}
    return {**plainly, **present(secret=secret, headers=headers)}


def reached(settings: Settings, url: str | None) -> None:
    """Errors: Problem 422 for an address that nothing is sent to."""
    if url is None:
        return
    hooks, own = settings.webhooks, urlsplit(settings.api.public_url).hostname or ""
    policy = Policy(ports=frozenset(hooks.ports), loopback=hooks.allow_loopback_http, own_names=frozenset({own}))
    if isinstance(fault := check(url, policy), Fault):
        raise invalid("url", "INVALID_FORMAT", f"The address {fault.detail}.", 422, "INVALID_REFERENCE")


async def off_rules(gate: Gateway, caller: Caller, row: Row) -> None:
    """A channel that is gone is in no rule."""
    async with gate.reading(caller) as db:
        found, _ = await records.page(db, RULE, where={"notificationChannelIds": [row["id"]]}, limit=10_000)
    for rule in found:
        left = [id for id in rule["body"]["notificationChannelIds"] if id != row["id"]]
        await plain.replaced(gate, caller, RULE, rule["id"], {**rule["body"], "notificationChannelIds": left})


def channel_filters(type: ChannelType | None = None) -> Wanted:
    return Wanted(where=present(type=type))


RULES = Group(
    kind=RULE, one="alert_rule", many="alert_rules", path="/alert-rules", parameter="ruleId", shape=AlertRule,
    write=AlertRuleWrite, shown=rules, kept=rule_kept, wanted=rule_filters,
)  # fmt: skip
CHANNELS = Group(
    kind=CHANNEL, one="notification_channel", many="notification_channels", path="/notification-channels",
    parameter="channelId", shape=NotificationChannel, write=NotificationChannelWrite, shown=channels,
    kept=channel_kept, wanted=channel_filters, after_delete=off_rules,
)  # fmt: skip
serve(router, RULES)
serve(router, CHANNELS)


async def switched(gate: Gateway, caller: Caller, id: str, enabled: bool) -> Answer:
    row = await plain.fetched(gate, caller, RULE, id)
    await plain.replaced(gate, caller, RULE, row["id"], {**row["body"], "enabled": enabled})
    return await answered(RULES, gate, caller, row["id"])


@router.post("/alert-rules/{ruleId}/enable", **told(AlertRule, 403, 404))
async def enable_alert_rule(id: RuleId, caller: Admin, gate: Gate) -> Answer:
    """Enable; idempotent"""
    return await switched(gate, caller, id, True)


@router.post("/alert-rules/{ruleId}/disable", **told(AlertRule, 403, 404))
async def disable_alert_rule(id: RuleId, caller: Admin, gate: Gate) -> Answer:
    """Disable; idempotent; open alerts stay open"""
    return await switched(gate, caller, id, False)
