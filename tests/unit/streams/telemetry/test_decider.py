"""Discarding what was put aside, taking readings under a key."""

from datetime import UTC, datetime

from schemas.base import Envelope
from schemas.telemetry.messages import AcceptReadings, DiscardQuarantined, QuarantinedDiscarded, ReadingsAccepted
from streams.telemetry.decider import DECIDER, INITIAL

META = Envelope(id="c", stream="p", time=datetime(2026, 3, 1, tzinfo=UTC))


def test_once_is_enough() -> None:
    event = QuarantinedDiscarded()
    assert DECIDER.decide(INITIAL, DiscardQuarantined(), META) == (event,)
    assert DECIDER.decide(DECIDER.apply(INITIAL, event, META), DiscardQuarantined(), META) == ()


def test_a_key_is_good_for_one_answer() -> None:
    first = AcceptReadings(device="d", accepted=1, duplicates=0, quarantined=("q",))
    event = ReadingsAccepted(device="d", accepted=1, duplicates=0, quarantined=("q",))
    assert DECIDER.decide(INITIAL, first, META) == (event,)
    assert DECIDER.decide(DECIDER.apply(INITIAL, event, META), first, META) == ()
