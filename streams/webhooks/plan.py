"""From a claimed row to what is sent. Pure, but for the vault that opens what was sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import orjson

from streams.webhooks.messages import message_id
from streams.webhooks.signing import LegacyForm, Request, Scheme, Signer, SigningKey, signed_headers

ALL_SIGNATURES: frozenset[Scheme] = frozenset({"v1", "legacy"})
MASK = "***"
PLAIN = ("webhook-id", "webhook-timestamp", "x-webhook-event", "x-webhook-attempt", "x-webhook-job-id", "traceparent")


class Opens(Protocol):
    """The vault, as far as sending needs it."""

    def open(self, sealed: str) -> str: ...


class Plan(msgspec.Struct, frozen=True):
    """A request that is ready but for its time."""

    url: str
    body: bytes
    signer: Signer
    headers: dict[str, str]
    seconds: float


def plan(row: Mapping[str, Any], body: bytes, vault: Opens, *, seconds: float, legacy_form: LegacyForm = "hex") -> Plan:
    """What this row's next try sends. Errors: Unsealable."""
    of_endpoint = row["endpoint"] is not None
    sealed = row["headers"] if of_endpoint else row["callback_headers"]
    extra: dict[str, str] = orjson.loads(vault.open(sealed)) if sealed else {}
    about = {"X-Webhook-Event": row["event_type"], "X-Webhook-Attempt": str(row["number"])}
    if row["job"]:
        about["X-Webhook-Job-Id"] = row["job"]
    return Plan(
        url=row["url"] if of_endpoint else row["callback_url"],
        body=body,
        signer=signer(row, vault, legacy_form),
        headers={**extra, **about},
        seconds=float(row["timeout_seconds"] or seconds),
    )


def signer(row: Mapping[str, Any], vault: Opens, legacy_form: LegacyForm) -> Signer:
    """An endpoint's live secrets and keys, or the callback's own secret."""
    if row["endpoint"] is None:
        own = (vault.open(row["secret"]),) if row["secret"] else ()
        return Signer(secrets=own, schemes=ALL_SIGNATURES, legacy_form=legacy_form)
    secrets = tuple(vault.open(sealed) for sealed in row["secrets"])
    former = row["legacy_header_uses"] == "previous" and len(secrets) > 1
    return Signer(
        secrets=secrets,
        keys=tuple(SigningKey(key_id, vault.open(sealed)) for key_id, sealed in row["keys"] or ()),
        schemes=frozenset(row["signing"]),
        legacy_secret=secrets[1] if former else None,
        legacy_form=legacy_form,
    )


def stamped(plan: Plan, message: str, stamp: int) -> dict[str, str]:
    """All headers of a try at this second."""
    return {**plan.headers, **signed_headers(plan.signer, Request(plan.url, message_id(message), stamp, plan.body))}


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """For the delivery log: signatures and what the caller added are no one's to read."""
    return {name: value if name.lower() in PLAIN else MASK for name, value in headers.items()}


def assembled(body: Mapping[str, Any], stored: bytes, base: str) -> bytes:
    """The bytes of a body: head, link, object, tail."""
    link = base + body["link"] if body.get("link") else ""
    return b"".join((body["head"].encode(), orjson.dumps(link)[1:-1], stored, body["tail"].encode()))


def size_of(body: Mapping[str, Any] | None) -> int:
    return 0 if body is None else int(body.get("object_bytes", 0)) + len(body["head"]) + len(body["tail"])


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
