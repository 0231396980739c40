"""One-time codes from time (RFC 6238: SHA-1, 30 seconds, 6 digits), as authenticator apps show them. Pure."""

from __future__ import annotations

import base64
import hmac

PERIOD = 30
DIGITS = 6
DRIFT = 1
"""Steps before and after the present one that a clock may be off."""


def code(secret: str, step: int) -> str:
    """The code of a time step; `secret` is base32."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 0xF
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(secret: str, given: str, now: float) -> int | None:
    """The time step, near the present one, that the code is of; None for a code of none."""
    present, found = int(now) // PERIOD, None
    for step in range(present - DRIFT, present + DRIFT + 1):
        if hmac.compare_digest(code(secret, step).encode(), given.strip().encode()):
            found = step
    return found
