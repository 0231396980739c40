"""Sections: topics with a tag, and when they hold. Pure."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.analyses.activity import FPS, Sample, mean_change
from inference.analyses.persons import is_person
from inference.analyses.text import Text
from inference.analyses.tracks import Seen, Track
from inference.spans import Span, joined, plain, within

MOVING = 0.004
"""Mean luma change between samples from which a picture counts as moving, 0 to 1; below it there is only noise."""
DARK = 0.08
"""Mean luma below which a picture counts as dark, 0 to 1."""
CROWD = 5
"""Persons in view at once."""
_GAP = 2.0
"""Seconds; a topic that goes away for less is not interrupted."""
_NO_TAG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Section:
    """A topic: `confidence` 0 to 1."""

    tag: str
    spans: tuple[Span, ...]
    confidence: float


def tag_of(label: str) -> str:
    """A label as a tag: `[a-z0-9_]{1,64}`."""
    return _NO_TAG.sub("_", label.lower()).strip("_")[:64] or "object"


def by_label(tracks: Iterable[Track], step: float, duration: float) -> list[Section]:
    """A section for each label, as long as anything with it is in view; as sure as its surest track."""
    groups: dict[str, list[Track]] = {}
    for track in tracks:
        groups.setdefault(tag_of(track.label), []).append(track)
    return [
        Section(
            tag,
            tuple(joined((track.span(step, duration) for track in group), _GAP)),
            max(track.score for track in group),
        )
        for tag, group in groups.items()
    ]


def by_class(seen: Sequence[Seen], step: float, duration: float) -> list[Section]:
    """A section for each class that a classifier gave as its first choice."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for at, found in seen:
        if found:
            groups.setdefault(tag_of(found[0].label), []).append((at, found[0].score))
    return [
        Section(
            tag,
            tuple(joined(((at, min(at + step, duration)) for at, _ in hits), _GAP)),
            sum(score for _, score in hits) / len(hits),
        )
        for tag, hits in groups.items()
    ]


def of_text(texts: Sequence[Text]) -> list[Section]:
    if not texts:
        return []
    spans = joined((text.span for text in texts), _GAP)
    return [Section("text", tuple(spans), sum(text.score for text in texts) / len(texts))]


def of_motion(samples: Sequence[Sample], duration: float) -> list[Section]:
    """`motion`, `still` and `dark`: needs no model. As sure as the share of samples that say so."""
    moving = [(sample.change or 0.0) >= MOVING for sample in samples]
    if len(samples) > 1:
        moving[-1] = moving[-2]  # the last sample has no change of its own
    rules = {
        "motion": moving,
        "still": [not moves for moves in moving],
        "dark": [sample.brightness < DARK for sample in samples],
    }
    return [
        section for tag, holds in rules.items() for section in _where(tag, samples, holds, duration) if section.spans
    ]


def _where(tag: str, samples: Sequence[Sample], holds: Sequence[bool], duration: float) -> list[Section]:
    ends = [*(sample.at for sample in samples[1:]), duration]
    starts = [0.0, *ends[:-1]]
    gap = _GAP if tag == "motion" else 0.0
    spans = joined(((start, end) for start, end, hold in zip(starts, ends, holds, strict=False) if hold), gap)
    spans = [span for span in spans if span[1] - span[0] > 1 / FPS + 1e-6 or len(samples) == 1]
    inside = [hold for sample, hold in zip(samples, holds, strict=True) if within(sample.at, spans)]
    return [Section(tag, tuple(spans), sum(inside) / len(inside) if inside else 0.0)]


def of_crowd(tracks: Iterable[Track], step: float, duration: float) -> list[Section]:
    """`crowd`: at least five persons at once."""
    people = [track for track in tracks if is_person(track.label)]
    edges = sorted({edge for track in people for edge in track.span(step, duration)})
    spans = [
        (start, end)
        for start, end in itertools.pairwise(edges)
        if sum(track.start <= start and track.span(step, duration)[1] >= end for track in people) >= CROWD
    ]
    kept = [span for span in joined(spans, _GAP) if span[1] - span[0] >= 1.0]
    surest = sorted((track.score for track in people), reverse=True)[:CROWD]
    return [Section("crowd", tuple(kept), min(surest))] if kept else []


def plain_sections(sections: Iterable[Section], samples: Sequence[Sample], critical: frozenset[str]) -> list[Any]:
    """The contract's `sections`, by first start and tag."""
    kept = sorted((one for one in sections if one.spans), key=lambda one: (one.spans[0][0], one.tag))
    activity = {one.tag: mean_change(samples, one.spans) for one in kept}
    most = max(activity.values(), default=0.0)
    return [_plain(one, samples, critical, activity, most) for one in kept]


def _plain(
    one: Section, samples: Sequence[Sample], critical: frozenset[str], activity: Mapping[str, float], most: float
) -> dict[str, Any]:
    return {
        "section_tag": one.tag,
        "time_segments": [plain(span) for span in one.spans],
        "thumbnail_timestamp": round(sharpest(samples, one.spans), 3),
        "confidence": round(min(1.0, max(0.0, one.confidence)), 4),
        "is_critical": one.tag in critical,
        "relative_activity": round(activity[one.tag] / most, 4) if most > 0 else 0.0,
    }


def sharpest(samples: Sequence[Sample], spans: Sequence[Span]) -> float:
    """The time of the sharpest sample inside the spans; the middle of the longest span when there is none."""
    inside = [sample for sample in samples if within(sample.at, spans)]
    if inside:
        return max(inside, key=lambda sample: sample.sharpness).at
    start, end = max(spans, key=lambda span: span[1] - span[0])
    return (start + end) / 2
