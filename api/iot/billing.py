"""Billing reads (contract, 6.18): who runs this pays nobody, so nothing is limited; what is used is counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field, HttpUrl

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot.answers import Answer, Body, Paged, PageOf, QueryText, Shown, Text, sent, stamp, told
from api.iot.auth import Admin, Member, Owner
from api.iot.problems import Problem, invalid
from api.iot.readings import Stores
from infra.clickhouse import Reader
from projections.exports import queries as exports
from projections.fleet import queries as fleet
from projections.media import queries as media
from projections.telemetry import queries as telemetry

router = APIRouter(prefix="/v1/billing", tags=["Billing"])
PLAN = "self-hosted"
DISABLED = Problem(400, "BILLING_DISABLED", "No payment provider is set up here.")


class PlanLimits(Shown):
    """Absent: unlimited."""

    devices: int | None = None
    readings_per_month: int | None = None
    retention_days: int | None = None
    cameras: int | None = None
    storage_bytes: int | None = None
    members: int | None = None


class Usage(Shown):
    period_start: datetime
    period_end: datetime
    devices: int
    readings: int
    storage_bytes: int
    live_minutes: float | None = None
    exports: int | None = None


class Billing(Shown):
    """Subscription summary."""

    plan_key: str
    status: str
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    cancel_at_period_end: bool | None = None
    limits: PlanLimits
    usage: Usage


class Plan(Shown):
    key: str
    name: str
    price_cents: int
    currency: str
    limits: PlanLimits


class RedirectUrl(Shown):
    url: str
    expires_at: datetime | None = None


class CheckoutRequest(Body):
    plan_key: Annotated[Text, Field(min_length=1, max_length=64)]
    success_url: Annotated[HttpUrl, Field(strict=False)]
    cancel_url: Annotated[HttpUrl, Field(strict=False)]


class PortalRequest(Body):
    return_url: Annotated[HttpUrl, Field(strict=False)]


class Invoice(Shown):
    id: str
    number: str | None = None
    status: str
    amount_cents: int
    currency: str
    issued_at: datetime
    pdf_url: str | None = None


def month(text: str | None) -> tuple[datetime, datetime]:
    """A calendar month; the current one where none is named.

    Errors: Problem 400.
    """
    if text is None:
        text = f"{datetime.now(UTC):%Y-%m}"
    try:
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise invalid("period", "INVALID_FORMAT", "is no month like 2026-03") from None
    if not 1970 <= start.year < 2200:
        raise invalid("period", "OUT_OF_RANGE", "lies outside 1970 to 2199")
    return start, start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


async def usage(gate: Gateway, caller: Caller, stores: Reader, period: str | None) -> dict[str, Any]:
    start, end = month(period)
    async with gate.reading(caller) as db:
        devices = await fleet.counted(db, fleet.Filter())
        jobs = await exports.requested(db, start, end)
        stored = await exports.stored(db) + await media.stored(db)
    return {
        "periodStart": stamp(start),
        "periodEnd": stamp(end),
        "devices": devices,
        "readings": await telemetry.used(stores, caller.organisation, start, end),
        "storageBytes": stored,
        "exports": jobs,
    }


@router.get("", **told(Billing, 403))
async def get_billing(caller: Admin, gate: Gate, stores: Stores) -> Answer:
    """Plan, limits, usage"""
    used = await usage(gate, caller, stores, None)
    return Answer({"planKey": PLAN, "status": "NONE", "limits": {}, "usage": used})


@router.get("/plans", **told(list[Plan]))
async def list_plans(caller: Member) -> Answer:
    """Available plans"""
    return Answer([{"key": PLAN, "name": "Self-hosted", "priceCents": 0, "currency": "EUR", "limits": {}}])


@router.get("/usage", **told(Usage, 400, 403))
async def get_usage(
    caller: Admin,
    gate: Gate,
    stores: Stores,
    period: Annotated[QueryText | None, Query(description="YYYY-MM, default current")] = None,
) -> Answer:
    """Usage of a period"""
    return Answer(await usage(gate, caller, stores, period))


@router.get("/invoices", **told(PageOf[Invoice], 403))
async def list_invoices(caller: Owner, page: Paged) -> Answer:
    """Invoices: none are written where nothing is to be paid"""
    return page.answer([], 0)


@router.post("/checkout-session", **told(RedirectUrl, 400, 403, 413, status=201, body=CheckoutRequest))
async def create_checkout_session(
    caller: Owner, body: Annotated[CheckoutRequest, Depends(sent(CheckoutRequest))]
) -> Answer:
    """Start a plan purchase"""
    raise DISABLED


@router.post("/portal-session", **told(RedirectUrl, 400, 403, 413, status=201, body=PortalRequest))
async def create_portal_session(caller: Owner, body: Annotated[PortalRequest, Depends(sent(PortalRequest))]) -> Answer:
    """Open the payment portal"""
    raise DISABLED


ANYTHING = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}


@router.post("/webhook", **told(None, 400, status=204, openapi_extra=ANYTHING))
async def take_payment_event() -> Answer:
    """Payment provider callback: without a provider no signature is valid"""
    raise Problem(400, "INVALID_SIGNATURE", "The signature is of no provider that is known here.")
