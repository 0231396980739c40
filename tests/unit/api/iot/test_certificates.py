"""How certificates stand, and how one that a client has shown is read."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.iot.renewal import decoded
from api.iot.wire import certificates

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def row(serial: str, **more: Any) -> dict[str, Any]:
    same = {"fingerprint": "f", "subject": "s", "not_before": NOW - DAY, "not_after": NOW + DAY}
    return {**same, "serial_number": serial, "renews": None, "revoked_at": None, "created_at": NOW - DAY, **more}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("1")], ["ACTIVE"]),
        ([row("1", not_after=NOW)], ["EXPIRED"]),
        ([row("1", revoked_at=NOW), row("2", renews="1")], ["REVOKED", "ACTIVE"]),
        ([row("1"), row("2", renews="1", created_at=NOW - DAY + timedelta(seconds=1))], ["SUPERSEDED", "ACTIVE"]),
        ([row("1"), row("2", renews="1", created_at=NOW - DAY)], ["EXPIRED", "ACTIVE"]),
        ([row("1"), row("2", renews="1"), row("3", renews="1", created_at=NOW)], ["EXPIRED", "ACTIVE", "ACTIVE"]),
    ],
)
def test_a_renewed_certificate_opens_for_a_day_still(rows: list[Any], expected: list[str]) -> None:
    assert [one["status"] for one in certificates(rows, NOW)] == expected


def test_a_certificate_comes_as_the_standard_has_it_or_as_pem() -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + DAY).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    der = base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()
    assert decoded(f":{der}:") == decoded(pem) == decoded(quote(pem)) == made
    for bad in ("", ":no:", "no", ":" + der[:40] + ":"):
        with pytest.raises(ValueError, match=r"\w"):
            decoded(bad)
