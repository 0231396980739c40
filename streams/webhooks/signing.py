"""Signatures of a delivery: HMAC and Ed25519 of Standard Webhooks, the older hex header, RFC 9421. Pure.

The bytes that are signed are the bytes that are sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Scheme = Literal["v1", "v1a", "rfc9421", "legacy"]
LegacyForm = Literal["hex", "prefixed", "base64"]

SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
COVERED = ("@method", "@target-uri", "content-digest", "content-type", "webhook-id", "webhook-timestamp")


class SigningKey(msgspec.Struct, frozen=True):
    """An organisation's Ed25519 key; `private` is `whsk_` and the seed in base64."""

    key_id: str
    private: str


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiver's deliveries are signed with; `secrets` are the live ones, current first."""

    secrets: tuple[str, ...] = ()
    keys: tuple[SigningKey, ...] = ()
    schemes: frozenset[Scheme] = frozenset({"v1", "legacy"})
    legacy_secret: str | None = None
    legacy_form: LegacyForm = "hex"


class Request(msgspec.Struct, frozen=True):
    """What is signed: the target, the message's id, the try's Unix seconds, the body."""

    url: str
    message_id: str
    stamp: int
    body: bytes


def signed_headers(signer: Signer, request: Request) -> dict[str, str]:
    """Headers of this try; without a secret or a key only the id and the time, as the contract has it."""
    found = {"webhook-id": request.message_id, "webhook-timestamp": str(request.stamp)}
    signatures = [v1(secret, request) for secret in signer.secrets if "v1" in signer.schemes]
    signatures += [v1a(key, request) for key in signer.keys if "v1a" in signer.schemes]
    if signatures:
        found["webhook-signature"] = " ".join(signatures)
    if signer.secrets and "legacy" in signer.schemes:
        found["X-Webhook-Signature"] = legacy(
            signer.legacy_secret or signer.secrets[0], request.body, signer.legacy_form
        )
    if signer.keys and "rfc9421" in signer.schemes:
        found |= message_signature(signer.keys[0], request)
    return found


def v1(secret: str, request: Request) -> str:
    return "v1," + b64(hmac.digest(hmac_key(secret), base(request), "sha256"))


def v1a(key: SigningKey, request: Request) -> str:
    return "v1a," + b64(private_key(key.private).sign(base(request)))


def legacy(secret: str, body: bytes, form: LegacyForm = "hex") -> str:
    """The key is the whole secret string, prefix included."""
    digest = hmac.digest(secret.encode(), body, "sha256")
    match form:
        case "base64":
            return b64(digest)
        case "prefixed":
            return "sha256=" + digest.hex()
        case "hex":
            return digest.hex()


def message_signature(key: SigningKey, request: Request) -> dict[str, str]:
    """RFC 9421 with the digest of RFC 9530."""
    digest = f"sha-256=:{b64(hashlib.sha256(request.body).digest())}:"
    covered = " ".join(f'"{name}"' for name in COVERED)
    params = f'({covered});created={request.stamp};keyid="{key.key_id}";alg="ed25519"'
    values = ("POST", request.url, digest, "application/json", request.message_id, str(request.stamp))
    lines = [f'"{name}": {value}' for name, value in zip(COVERED, values, strict=True)]
    text = "\n".join([*lines, f'"@signature-params": {params}'])
    signature = b64(private_key(key.private).sign(text.encode("ascii")))
    return {"Content-Digest": digest, "Signature-Input": f"sig1={params}", "Signature": f"sig1=:{signature}:"}


def base(request: Request) -> bytes:
    return b".".join((request.message_id.encode(), str(request.stamp).encode(), request.body))


def hmac_key(secret: str) -> bytes:
    """The bytes behind `whsec_`; a free-form secret counts as its UTF-8 bytes, also one whose rest is not base64."""
    if secret.startswith(SECRET):
        try:
            return base64.b64decode(secret.removeprefix(SECRET), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def private_key(private: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(private.removeprefix(PRIVATE), validate=True))


def public_of(private: str) -> str:
    """The `whpk_` text of a private key."""
    return PUBLIC + b64(private_key(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
