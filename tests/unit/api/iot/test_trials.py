"""The test message of a channel: body, headers and signature as the contract has them."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from cryptography.fernet import Fernet

from api.auth import Caller
from api.iot.trials import result, sample
from infra.vault import Vault

CALLER = Caller(organisation="o", actor="a", role="admin", surface="iot")
VAULT = Vault([Fernet.generate_key().decode()])
NOW = 1_772_323_200


def test_it_is_signed_as_it_is_sent() -> None:
    channel = {"url": "https://a.example/x", "secret": VAULT.seal("s3cr3t-s3cr3t"), "headers": {"A": VAULT.seal("b")}}
    message = sample(VAULT, CALLER, "channel", channel, "m", NOW)
    said = {"type": "test", "id": "m", "sentAt": "2026-03-01T00:00:00Z", "organizationId": "o"}
    assert json.loads(message.body.head) == said
    assert message.headers is not None
    headers = json.loads(VAULT.open(message.headers))
    digest = hmac.new(b"s3cr3t-s3cr3t", f"{NOW}.{message.body.head}".encode(), hashlib.sha256).hexdigest()
    assert headers == {"A": "b", "X-Signature": f"t={NOW},v1={digest}"}


def test_without_a_secret_it_is_not() -> None:
    assert sample(VAULT, CALLER, "channel", {"url": "https://a.example/x"}, "m", NOW).headers is None


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (
            {"outcome": "success", "status": 204, "total_ms": 12.6},
            {"success": True, "statusCode": 204, "durationMs": 13},
        ),
        (
            {"outcome": "http_error", "status": 500, "total_ms": 1.0},
            {"success": False, "statusCode": 500, "error": "http error", "durationMs": 1},
        ),
        (
            {"outcome": "tls_error", "status": None, "total_ms": 0.2},
            {"success": False, "error": "tls error", "durationMs": 0},
        ),
    ],
)
def test_what_is_told(attempt: dict[str, object], expected: dict[str, object]) -> None:
    assert result(attempt) == expected
