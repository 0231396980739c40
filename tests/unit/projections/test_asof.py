"""What a lane judged by: what goes on the log of it, and what a rebuild reads out of that."""

from __future__ import annotations

from aiokafka import TopicPartition

from projections.asof import Notes, Positions, Stretch, stretches
from schemas.telemetry.messages import Judgement

A, B = TopicPartition("readings", 0), TopicPartition("readings", 1)


def at(*offsets: int) -> Positions:
    return {"fleet.events": offsets}


def told(positions: Positions, **first: int) -> Judgement:
    return Judgement(first={name[1:]: offset for name, offset in first.items()}, positions=dict(positions))


def test_only_a_change_is_noted() -> None:
    notes = Notes(lambda: "today")
    assert notes.fresh({0: 5}, at(1)) == told(at(1), p0=5)
    assert notes.fresh({0: 9}, at(1)) is None
    assert notes.fresh({0: 12, 1: 3}, at(1)) == told(at(1), p1=3)
    assert notes.fresh({0: 15, 1: 4}, at(2)) == told(at(2), p0=15, p1=4)


def test_each_day_is_noted() -> None:
    days = iter(("one", "one", "two"))
    notes = Notes(lambda: next(days))
    said = [notes.fresh({0: first}, at(1)) for first in (1, 2, 3)]
    assert said == [told(at(1), p0=1), None, told(at(1), p0=3)]


def test_messages_go_with_the_last_judgement_before_them() -> None:
    judged = [told(at(1), p0=0, p1=0), told(at(2), p0=10), told(at(3), p1=4)]
    assert stretches(judged, {A: 0, B: 0}, {A: 20, B: 9}) == [
        Stretch(A, 0, 10, at(1)),
        Stretch(B, 0, 4, at(1)),
        Stretch(A, 10, 20, at(2)),
        Stretch(B, 4, 9, at(3)),
    ]


def test_what_was_repeated_counts_as_it_was_last_judged() -> None:
    judged = [told(at(1), p0=0), told(at(2), p0=10), told(at(3), p0=15), told(at(4), p0=12)]
    assert stretches(judged, {A: 0}, {A: 20}) == [
        Stretch(A, 0, 10, at(1)),
        Stretch(A, 10, 12, at(2)),
        Stretch(A, 12, 20, at(4)),
    ]


def test_what_has_left_the_log_is_left_out() -> None:
    """Of messages and of judgements: what is older than every judgement goes with the first."""
    judged = [told(at(2), p0=10), told(at(3), p0=15)]
    assert stretches(judged, {A: 12}, {A: 20}) == [Stretch(A, 12, 15, at(2)), Stretch(A, 15, 20, at(3))]
    assert stretches(judged, {A: 17}, {A: 20}) == [Stretch(A, 17, 20, at(3))]
    assert stretches(judged, {A: 5}, {A: 12}) == [Stretch(A, 5, 12, at(2))]
    assert stretches(judged, {A: 12}, {A: 12}) == []


def test_without_a_judgement_today_s_tables_say() -> None:
    """They have grown furthest, so they come last."""
    assert stretches([told(at(9), p1=0)], {A: 0, B: 0}, {A: 5, B: 5}) == [Stretch(B, 0, 5, at(9)), Stretch(A, 0, 5)]
