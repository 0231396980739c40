"""Every code that a refusal may carry. Each surface says what it answers for each (`problems.py`)."""

from typing import Literal

Code = Literal[
    "unknown",
    "invalid",
    "conflict",
    "invalid_state",
    "forbidden",
    "reference.unknown",
    "still_referenced",
    "version.stale",
    "idempotency.mismatch",
    "name.taken",
    "email.taken",
    "session.invalid",
    "session.reused",
    "token.invalid",
    "token.expired",
    "token.used",
    "device.exists",
    "device.inactive",
    "model.not_ready",
    "model.not_applicable",
    "site.offline",
    "image.duplicate",
    "lease.lost",
    "job.terminal",
    "idempotency.mismatch",
    "endpoint.disabled",
]
