"""Findings of all segments to the contract's result (noxovision.md, sections 10.2 to 10.4). Pure."""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from inference.analyses import activity, persons, scenes, sections
from inference.analyses.language import language_of
from inference.analyses.text import Line, Text, texts
from inference.analyses.tracks import Seen, Track, tracks
from inference.findings import SegmentFindings
from inference.found import Found
from inference.media import Media
from inference.spans import plain


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """Steps are seconds between samples; `critical` are the tenant's critical tags.

    `boxes` adds `analysis.objects`: every track with at most so many boxes in all, thinned out evenly; 0 leaves it out.
    """

    find_step: float = 0.25
    text_step: float = 2.0
    classifies: bool = False
    critical: frozenset[str] = frozenset()
    boxes: int = 20_000


_USUAL = MergeOptions()


def merge(
    findings: Iterable[SegmentFindings],
    media: Media,
    duration: float,
    versions: dict[str, str],
    options: MergeOptions = _USUAL,
) -> dict[str, Any]:
    """The contract's video result. The order of the findings does not matter."""
    parts = sorted(findings, key=lambda part: part.segment.start)
    samples = [sample for part in parts for sample in part.samples]
    stretches = scenes.scenes([cut for part in parts for cut in part.cuts], duration)
    seen = [one for part in parts for one in part.found]
    followed = [] if options.classifies else tracks(seen, [start for start, _ in stretches[1:]])
    people = named([track for track in followed if persons.is_person(track.label)], "p")
    read = _texts([one for part in parts for one in part.text], [end for _, end in stretches])
    return {
        "raw_scenes": [plain(stretch) for stretch in stretches],
        "frame_activity_diffs": activity.diffs(samples),
        "person_constellation_scenes": persons.constellations(people, options.find_step, duration),
        "ocr_results": [text.plain() for text in read],
        "sections": sections.plain_sections(
            _sections(samples, followed, seen, read, duration, options), samples, options.critical
        ),
        "analysis": {
            "duration_seconds": round(duration, 3),
            "sample_fps": activity.FPS,
            "width": media.width,
            "height": media.height,
            "model_versions": versions,
            **_objects(followed, people, options),
        },
    }


def named(followed: Sequence[Track], letter: str) -> dict[str, Track]:
    """Tracks by reference: `p1`, `p2`, ... in the order of their first sight."""
    return {f"{letter}{number}": track for number, track in enumerate(followed, 1)}


def _texts(seen: list[tuple[float, tuple[Line, ...]]], ends: list[float]) -> list[Text]:
    """Texts begin at their first sample, or at a cut just ahead of it, and end at the next sample or cut.

    `ends` are the ends of the scenes, in order; the last one is the duration.
    """
    times = sorted(at for at, _ in seen)

    def since(first: float) -> float:
        at = bisect.bisect_left(times, first)
        earlier = times[at - 1] if at else 0.0
        return max((cut for cut in ends if earlier < cut <= first), default=first)

    def until(last: float) -> float:
        at = bisect.bisect_right(times, last)
        cut = ends[min(bisect.bisect_right(ends, last), len(ends) - 1)]
        return min(times[at], cut) if at < len(times) else cut

    return texts(seen, since, until)


def _sections(
    samples: list[activity.Sample],
    followed: list[Track],
    seen: list[Seen],
    read: list[Text],
    duration: float,
    options: MergeOptions,
) -> list[sections.Section]:
    classes = sections.by_class(seen, options.find_step, duration) if options.classifies else []
    made = [
        *sections.of_motion(samples, duration),
        *sections.of_text(read),
        *sections.by_label(followed, options.find_step, duration),
        *sections.of_crowd(followed, options.find_step, duration),
        *classes,
    ]
    return list({one.tag: one for one in made}.values())


def _objects(followed: list[Track], people: dict[str, Track], options: MergeOptions) -> dict[str, Any]:
    """`objects`: label, reference, and boxes as [seconds, x, y, width, height] in fractions of the picture."""
    if not options.boxes or not followed:
        return {}
    refs = {id(track): ref for ref, track in people.items()}
    others = named([track for track in followed if id(track) not in refs], "o")
    refs |= {id(track): ref for ref, track in others.items()}
    every = -(-sum(len(track.samples) for track in followed) // options.boxes)
    return {"objects": [_object(track, refs[id(track)], every) for track in followed]}


def _object(track: Track, ref: str, every: int) -> dict[str, Any]:
    return {
        "ref": ref,
        "label": track.label,
        "score": round(track.score, 4),
        "boxes": [[round(at, 3), *(round(side, 4) for side in box)] for at, box, _ in track.samples[::every]],
    }


def image_result(
    found: Sequence[Found], lines: Sequence[Line], text: str, options: MergeOptions = _USUAL
) -> dict[str, Any]:
    """The contract's result of one image (section 10.4)."""
    people = {f"p{number}": one for number, one in enumerate((f for f in found if persons.is_person(f.label)), 1)}
    shares = persons.shared({ref: one.width * one.height for ref, one in people.items()})
    ordered = sorted(shares, key=lambda ref: (-shares[ref], len(ref), ref))
    best: dict[str, float] = {}
    for one in found[:1] if options.classifies else found:
        tag = sections.tag_of(one.label)
        best[tag] = max(best.get(tag, 0.0), one.score)
    if lines:
        best.setdefault("text", sum(line.score for line in lines) / len(lines))
    return {
        "persons": [persons.person(ref, shares[ref]) | {"bounding_box": _rectangle(people[ref])} for ref in ordered],
        "ocr_results": [{"language_code": language_of(text), "full_text": text}] if text else [],
        "sections": [
            {"section_tag": tag, "confidence": round(min(1.0, score), 4), "is_critical": tag in options.critical}
            for tag, score in sorted(best.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
    }


def _rectangle(one: Found) -> dict[str, float]:
    return {
        "x": round(one.x, 4),
        "y": round(one.y, 4),
        "width": round(one.width, 4),
        "height": round(one.height, 4),
    }
