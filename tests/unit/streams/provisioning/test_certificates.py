"""One-time tokens and certificates: given, when, then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.base import Envelope
from schemas.provisioning.messages import CertificateIssued, IssueCertificate
from streams.decision import Refusal
from streams.provisioning.decider import DECIDER, INITIAL

NOW = datetime(2026, 3, 1, tzinfo=UTC)
META = Envelope(id="c", stream="device", time=NOW)


def ask(token: str | None = "token", **more: Any) -> IssueCertificate:
    made: dict[str, Any] = {"serial_number": "1", "fingerprint": "f", "subject": "CN=device"}
    return IssueCertificate(token=token, **{**made, "not_before": NOW, "not_after": NOW, **more})


def given(*commands: IssueCertificate) -> Any:
    state = INITIAL
    for command in commands:
        events = DECIDER.decide(state, command, META)
        assert not isinstance(events, Refusal)
        for event in events:
            state = DECIDER.apply(state, event, META)
    return state


def test_a_token_gives_one_certificate() -> None:
    assert isinstance(DECIDER.decide(INITIAL, ask(), META)[0], CertificateIssued)  # type: ignore[index]
    again = DECIDER.decide(given(ask()), ask(serial_number="2"), META)
    assert isinstance(again, Refusal)
    assert again.code == "token.used"


def test_another_token_gives_another() -> None:
    events = DECIDER.decide(given(ask()), ask("second", serial_number="2"), META)
    assert isinstance(events, tuple)


def test_a_late_token_gives_none() -> None:
    late = DECIDER.decide(INITIAL, ask(token_expires_at=NOW - timedelta(seconds=1)), META)
    assert isinstance(late, Refusal)
    assert late.code == "token.expired"


def test_renewing_needs_a_certificate_in_force() -> None:
    renewed = DECIDER.decide(given(ask()), ask(None, renews="1", serial_number="2"), META)
    assert isinstance(renewed, tuple)
    unknown = DECIDER.decide(given(ask()), ask(None, renews="9", serial_number="2"), META)
    assert isinstance(unknown, Refusal)
