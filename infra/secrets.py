"""Random secrets: made here, shown once, known afterwards by their SHA-256 only."""

from __future__ import annotations

import hashlib
import hmac
import secrets

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def mint(prefix: str, length: int = 40) -> str:
    """`prefix` and `length` random base62 characters (40 hold 238 bits)."""
    return prefix + "".join(secrets.choice(BASE62) for _ in range(length))


def mint_url(size: int = 32) -> str:
    """`size` random bytes as base64url without padding."""
    return secrets.token_urlsafe(size)


def repeatable_hex(prefix: str, key: str, id: str) -> str:
    """`prefix` and 32 bytes as hex that follow from a request's id under the server's key.

    Whoever repeats a request with its Idempotency-Key is shown the same secret, which nobody keeps.
    """
    purpose = hmac.digest(key.encode(), b"sightlog repeatable secrets", "sha256")
    return prefix + hmac.digest(purpose, id.encode(), "sha256").hex()


def digest(secret: str) -> str:
    """SHA-256 in hex: enough for secrets with 128 random bits and more."""
    return hashlib.sha256(secret.encode()).hexdigest()
