"""From a row to a request; what the log of it may show."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from cryptography.fernet import Fernet

from infra.vault import Vault
from streams.webhooks.plan import assembled, masked, plan, stamped

VAULT = Vault([Fernet.generate_key().decode()])
ID = "0190c8c0-0000-7000-8000-000000000001"
CALLBACK: dict[str, Any] = {
    "id": ID, "endpoint": None, "number": 2, "event_type": "video.finished", "job": "video_1", "timeout_seconds": None,
    "callback_url": "https://c.example.com/", "secret": VAULT.seal("s3cret"),
    "callback_headers": VAULT.seal('{"X-A":"b"}'),
}  # fmt: skip
ENDPOINT: dict[str, Any] = {
    **CALLBACK, "endpoint": ID, "url": "https://e.example.com/", "headers": None, "timeout_seconds": 3, "keys": None,
    "secrets": [VAULT.seal("whsec_bmV3"), VAULT.seal("whsec_b2xk")], "signing": ["v1", "legacy"],
    "legacy_header_uses": "previous",
}  # fmt: skip


def test_a_callback() -> None:
    ready = plan(CALLBACK, b"{}", VAULT, seconds=15)
    assert (ready.url, ready.seconds) == ("https://c.example.com/", 15)
    headers = stamped(ready, ID, 1795176000)
    assert headers["webhook-id"] == "msg_0190c8c0000070008000000000000001"
    assert headers["X-Webhook-Signature"] == hmac.new(b"s3cret", b"{}", hashlib.sha256).hexdigest()
    assert (headers["X-A"], headers["X-Webhook-Attempt"], headers["X-Webhook-Job-Id"]) == ("b", "2", "video_1")
    shown = masked(headers)
    assert shown["X-A"] == shown["X-Webhook-Signature"] == shown["webhook-signature"] == "***"
    assert shown["webhook-timestamp"] == "1795176000"


def test_an_endpoint_during_rotation() -> None:
    ready = plan(ENDPOINT, b"{}", VAULT, seconds=15)
    assert (ready.url, ready.seconds) == ("https://e.example.com/", 3)
    headers = stamped(ready, ID, 1)
    assert headers["webhook-signature"].count("v1,") == 2
    assert headers["X-Webhook-Signature"] == hmac.new(b"whsec_b2xk", b"{}", hashlib.sha256).hexdigest()


def test_own_headers_never_replace_ours() -> None:
    row = {**CALLBACK, "callback_headers": VAULT.seal('{"webhook-id":"mine","X-Webhook-Event":"mine"}')}
    headers = stamped(plan(row, b"{}", VAULT, seconds=15), ID, 1)
    assert headers["webhook-id"].startswith("msg_")
    assert headers["X-Webhook-Event"] == "video.finished"


def test_the_bytes_of_a_body() -> None:
    parts = {"head": '{"a":', "object": "k", "link": None, "tail": "}"}
    assert assembled(parts, b"[1]", "https://s") == b'{"a":[1]}'
    linked = {"head": '{"url":"', "object": None, "link": "/x", "tail": '"}'}
    assert assembled(linked, b"", "https://s") == b'{"url":"https://s/x"}'
