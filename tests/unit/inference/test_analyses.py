"""Scenes, activity, text, tracks, persons and sections from arrays and made-up findings."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.analyses import activity, persons, scenes, sections
from inference.analyses.language import language_of
from inference.analyses.text import Line, alike, full_text, texts, tidy
from inference.analyses.tracks import Seen, Track, tracks
from inference.found import Found
from inference.sample import Sampler
from inference.spans import joined


def finder(levels: list[float]) -> scenes.CutFinder:
    made = scenes.CutFinder(first=True)
    noise = np.random.default_rng(1)
    for number, level in enumerate(levels):
        made.add(
            number / 10, np.full((36, 64), level, np.float32) + noise.normal(0, 0.001, (36, 64)).astype(np.float32)
        )
    return made


def test_a_cut_stands_out() -> None:
    cuts = finder([0.2] * 10 + [0.6] * 10).cuts(20)
    assert [at for at, _ in cuts] == [1.0]


@pytest.mark.parametrize(
    "levels",
    [
        [0.2] * 20,
        [0.2 + 0.03 * number for number in range(20)],  # a slow fade
        [0.2] * 10 + [0.9] + [0.2] * 10,  # a flash
        [0.2, 0.4] * 10,  # flicker
    ],
    ids=["still", "fade", "flash", "flicker"],
)
def test_no_cut(levels: list[float]) -> None:
    assert finder(levels).cuts(len(levels)) == []


def test_scenes_are_contiguous_and_cover_all() -> None:
    made = scenes.scenes([(5.0, 0.3), (2.0, 0.2), (2.2, 0.4), (0.1, 0.9), (9.9, 0.9)], 10.0)
    assert made == [(0.0, 2.2), (2.2, 5.0), (5.0, 10.0)]


def test_activity_is_the_mean_difference() -> None:
    meter = activity.ActivityMeter(Sampler(2.0), end=2.0)
    planes = [np.full((40, 40), level, np.uint8) for level in (16, 16, 235, 126, 16)]
    for number, plane in enumerate(planes):
        meter.add(number / 2, plane, 219)
    assert meter.done
    assert [sample.at for sample in meter.samples] == [0.0, 0.5, 1.0, 1.5]
    assert [sample.change for sample in meter.samples] == pytest.approx([0, 1, 109 / 219, 110 / 219], abs=1e-5)
    assert activity.diffs(meter.samples) == pytest.approx([0, 1, 0.4977], abs=1e-4)
    assert [round(sample.brightness, 2) for sample in meter.samples] == [0, 0, 1, 0.5]


def line(text: str, y: float = 0.5, x: float = 0.1, score: float = 0.9) -> Line:
    return Line(text, score, x, y, 0.3, 0.05)


def read(seen: Sequence[tuple[float, tuple[Line, ...]]]) -> list[tuple[str, float, float]]:
    return [(text.text, *text.span) for text in texts(seen, lambda first: first, lambda last: last + 1)]


def test_one_entry_for_each_text_and_stretch() -> None:
    seen = [
        (0.0, (line("Entrance", 0.1), line("Lobby", 0.8))),
        (1.0, (line("Lobby", 0.8), line("Entrance", 0.1))),
        (2.0, (line("Lobby", 0.8),)),
        (3.0, ()),
        (4.0, ()),
        (5.0, (line("Lobby", 0.8),)),
    ]
    assert read(seen) == [("Entrance", 0.0, 2.0), ("Lobby", 0.0, 3.0), ("Lobby", 5.0, 6.0)]


def test_lines_that_come_and_go_together_are_one_text() -> None:
    seen = [(at, (line("second row", 0.4), line("left", 0.2), line("right", 0.21, 0.5))) for at in (0.0, 1.0)]
    assert read(seen) == [("left right\nsecond row", 0.0, 2.0)]


def test_misread_letters_do_not_split_a_text() -> None:
    seen = [(0.0, (line("Delivery entrance"),)), (1.0, (line("Delivery entrancc", score=0.6),)), (2.0, ())]
    seen += [(3.0, (line("Delivery entrance"),))]
    assert read(seen) == [("Delivery entrance", 0.0, 4.0)]
    assert not alike("12:31:07", "12:31:08")
    assert not alike("A1", "A2")


def test_text_is_tidy() -> None:
    assert tidy("  Cafe\u0301 \t\x00 bar ") == "Café bar"
    assert full_text([]) == ""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Entrance -> Lobby", "en"),
        ("Bitte nicht füttern", "de"),
        ("Sortie de secours, s'il vous plaît", "fr"),
        ("Пожар", "ru"),
        ("出口はこちら", "ja"),
        ("安全出口", "zh"),
        ("비상구", "ko"),
        ("12:30", "und"),
        ("", "und"),
        ("XKCD", "und"),
    ],
)
def test_language(text: str, code: str) -> None:
    assert language_of(text) == code


def person(x: float, score: float = 0.8, label: str = "person", size: float = 0.1) -> Found:
    return Found(label, score, x, 0.4, size, 2 * size)


def test_tracks_follow_through_a_crossing_and_a_gap() -> None:
    seen = []
    for number in range(20):
        at, shift = number / 4, number * 0.03
        both = [person(0.1 + shift), person(0.7 - shift, size=0.12)]
        seen.append((at, tuple(both if number != 6 else both[1:])))
    made = tracks(seen)
    assert len(made) == 2
    assert {len(track.samples) for track in made} == {19, 20}


def test_tracks_end_at_cuts_and_need_three_sightings() -> None:
    seen = [(at / 4, (person(0.3),)) for at in range(12)] + [(10.0, (person(0.9),))]
    made = tracks(seen, cuts=[1.5])
    assert [(track.start, track.last, track.until) for track in made] == [(0.0, 1.25, 1.5), (1.5, 2.75, np.inf)]
    assert made[0].span(0.5, 20.0) == (0.0, 1.5)


def test_weak_findings_continue_but_never_start() -> None:
    seen: list[Seen] = [(at / 4, (person(0.3),)) for at in range(3)]
    seen += [(at / 4, (person(0.3, 0.4), person(0.8, 0.4))) for at in range(3, 9)]
    made = tracks(seen)
    assert [(len(track.samples), track.last) for track in made] == [(9, 2.0)]


SPANS = st.dictionaries(
    st.sampled_from([f"p{number}" for number in range(6)]),
    st.tuples(st.floats(0, 20), st.floats(0.01, 10)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    min_size=1,
)


@given(SPANS)
def test_stretches_are_disjoint_sorted_and_not_short(spans: dict[str, tuple[float, float]]) -> None:
    made = persons.stretches(spans)
    covered = joined([span for span, _ in made])
    assert covered == joined(spans.values())
    for (one, refs), (other, others) in itertools.pairwise(made):
        assert one[1] <= other[0]
        if one[1] == other[0]:
            assert refs != others
            assert one[1] - one[0] >= persons.SHORTEST - 1e-6
    assert all(refs for _, refs in made)


@given(st.dictionaries(st.sampled_from("abcdefghij"), st.floats(0, 1e6), min_size=1))
def test_shares_add_up_to_one(weights: dict[str, float]) -> None:
    shares = persons.shared(weights)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-9)
    assert all(-1e-3 <= share <= 1 for share in shares.values())


def test_constellations_by_prominence() -> None:
    near = Track("person", [(at / 2, (0.1, 0.1, 0.4, 0.8), 0.9) for at in range(9)])
    far = Track("person", [(at / 2, (0.7, 0.1, 0.1, 0.2), 0.9) for at in range(4, 9)])
    made = persons.constellations({"p1": near, "p2": far}, 0.5, 10.0)
    assert [one["time_segment"] for one in made] == [
        {"start_seconds": 0.0, "end_seconds": 2.0},
        {"start_seconds": 2.0, "end_seconds": 4.5},
    ]
    assert [p["person_ref"] for p in made[1]["person_ids"]] == ["p1", "p2"]
    assert made[1]["person_ids"][0]["relative_prominence"] == pytest.approx(0.32 / 0.34, abs=1e-3)
    assert made[0]["person_ids"][0] == {
        "age": None,
        "gender": "unidentified",
        "face_embedding": [],
        "face_thumbnail": "",
        "allowlisted": False,
        "relative_prominence": 1.0,
        "person_ref": "p1",
    }


def samples(changes: list[float], sharp: int = 0) -> list[activity.Sample]:
    return [
        activity.Sample(number / 2, 9.0 if number == sharp else 1.0, 0.5, change)
        for number, change in enumerate(changes)
    ]


def test_sections_of_motion() -> None:
    given_samples = samples([0.0] * 10 + [0.05] * 10, sharp=14)
    made = sections.plain_sections(sections.of_motion(given_samples, 10.0), given_samples, frozenset({"still"}))
    assert [(one["section_tag"], one["time_segments"]) for one in made] == [
        ("still", [{"start_seconds": 0.0, "end_seconds": 5.0}]),
        ("motion", [{"start_seconds": 5.0, "end_seconds": 10.0}]),
    ]
    assert [one["is_critical"] for one in made] == [True, False]
    assert [one["relative_activity"] for one in made] == [0.0, 1.0]
    assert made[1]["thumbnail_timestamp"] == 7.0


def test_sections_of_labels_and_crowds() -> None:
    group = [Track("Traffic light!", [(0.0, (0, 0, 0.1, 0.1), 0.7), (1.0, (0, 0, 0.1, 0.1), 0.9)])]
    (light,) = sections.by_label(group, 0.5, 9.0)
    assert (light.tag, light.spans) == ("traffic_light", ((0.0, 1.5),))
    assert light.confidence == pytest.approx(0.8)
    crowd = [Track("person", [(at / 2, (0.1 * n, 0, 0.1, 0.1), 0.8) for at in range(8)]) for n in range(5)]
    assert sections.of_crowd(crowd, 0.5, 9.0)[0].spans == ((0.0, 4.0),)
    assert sections.of_crowd(crowd[:4], 0.5, 9.0) == []
    assert sections.tag_of("***") == "object"
