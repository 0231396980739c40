"""Discarding what was put aside."""

from datetime import UTC, datetime

from schemas.base import Envelope
from schemas.telemetry.messages import DiscardQuarantined, QuarantinedDiscarded
from streams.telemetry.decider import DECIDER, INITIAL

META = Envelope(id="c", stream="p", time=datetime(2026, 3, 1, tzinfo=UTC))


def test_once_is_enough() -> None:
    event = QuarantinedDiscarded()
    assert DECIDER.decide(INITIAL, DiscardQuarantined(), META) == (event,)
    assert DECIDER.decide(DECIDER.apply(INITIAL, event, META), DiscardQuarantined(), META) == ()
