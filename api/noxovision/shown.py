"""Rows of endpoints, deliveries and tries as the contract's bodies; nothing in them is a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from infra.postgres import Row
from streams.analysis.envelope import instant
from streams.webhooks.messages import message_id

MASK = "***"


def endpoint(row: Row, p95: float | None = None) -> dict[str, Any]:
    """A row as the contract's Endpoint."""
    health = row["health"] or {}
    same = (
        "url", "description", "event_types", "signing", "payload_style", "payload", "timeout_seconds", "circuit",
        "throttle_per_second", "max_in_flight", "fifo", "metadata", "state", "disabled_reason",
    )  # fmt: skip
    stats = {name: row[name] for name in ("delivered", "failed", "pending")}
    return {
        "endpoint_id": row["id"],
        **{name: row[name] for name in same},
        "headers": dict.fromkeys(row["header_names"], MASK),
        "retry_schedule_seconds": row["delays"],
        "mtls": row["certificates"],
        "first_failure_at": health.get("first_failure_at"),
        "last_success_at": health.get("last_success_at"),
        "stats_24h": stats if p95 is None else {**stats, "p95_ms": round(p95, 3)},
        "created_at": instant(row["created_at"]),
    }


def delivery(row: Row) -> dict[str, Any]:
    same = ("event_type", "payload_bytes", "payload_sha256")
    times = ("created_at", "first_attempt_at", "delivered_at", "expires_at")
    at_rest = row["shown"] in ("cancelled", "endpoint_disabled")
    return {
        "delivery_id": row["id"],
        "message_id": message_id(row["id"]),
        "job_id": row["job"],
        "endpoint_id": row["endpoint"],
        "url": masked(row["target"] or ""),
        "state": row["shown"],
        "attempt_count": row["attempts"],
        "next_attempt_at": None if at_rest else instant(row["ready"]),
        "last_status_code": row["last_status"],
        "last_error": row["last_outcome"] if row["last_outcome"] not in (None, "success") else row["reason"],
        **{name: row[name] for name in same},
        **{name: instant(row[name]) for name in times},
    }


def masked(url: str) -> str:
    """Query values are the receiver's own, and often credentials."""
    parts = urlsplit(url)
    query = urlencode([(name, MASK) for name, _ in parse_qsl(parts.query, keep_blank_values=True)], safe="*")
    return urlunsplit(parts._replace(query=query))


def attempt(row: dict[str, Any], following: datetime | None) -> dict[str, Any]:
    """A row of the delivery log; `following`: when its message is tried next."""
    same = (
        "number", "trigger", "outcome", "remote_ip", "dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "total_ms",
        "response_body", "response_truncated", "retry_after_seconds",
    )  # fmt: skip
    return {
        "attempt_id": row["attempt"],
        "delivery_id": row["message"],
        **{name: row[name] for name in same},
        "started_at": instant(utc(row["started_at"])),
        "ended_at": instant(utc(row["ended_at"])),
        "status_code": row["status"],
        "request_headers": orjson.loads(row["request_headers"]),
        "response_headers": orjson.loads(row["response_headers"]),
        "next_attempt_at": instant(following),
        "trace_id": row["trace_id"] or "",
    }


def utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
