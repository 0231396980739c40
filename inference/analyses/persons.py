"""Persons over time: stretches in which the same persons are in view. Pure."""

import itertools
from collections.abc import Sequence
from typing import Any

from inference.analyses.tracks import Track
from inference.spans import Span, plain

PERSON_LABELS = frozenset({"person", "people", "pedestrian", "man", "woman", "child", "face"})
SHORTEST = 0.5
"""Seconds; shorter stretches go to a neighbour (noxovision.md, section 10.2)."""

Stretch = tuple[Span, frozenset[str]]
"""A span and the references of the persons in view."""


def is_person(label: str) -> bool:
    return label.lower() in PERSON_LABELS


def person(ref: str, prominence: float) -> dict[str, Any]:
    """The contract's Person with face analysis switched off (noxovision.md, section 10.3)."""
    return {
        "age": None,
        "gender": "unidentified",
        "face_embedding": [],
        "face_thumbnail": "",
        "allowlisted": False,
        "relative_prominence": prominence,
        "person_ref": ref,
    }


def constellations(tracks: dict[str, Track], step: float, duration: float) -> list[dict[str, Any]]:
    """The contract's `person_constellation_scenes` from the persons' tracks by reference."""
    spans = {ref: track.span(step, duration) for ref, track in tracks.items()}
    return [
        {"time_segment": plain(span), "person_ids": persons_of(span, refs, tracks, spans)}
        for span, refs in stretches(spans)
    ]


def stretches(spans: dict[str, Span]) -> list[Stretch]:
    """Where the set of persons stays the same; nobody in view is left out, short stretches join a neighbour."""
    edges = sorted({edge for span in spans.values() for edge in span})
    pieces: list[Stretch] = []
    for start, end in itertools.pairwise(edges):
        here = frozenset(ref for ref, span in spans.items() if span[0] <= start and span[1] >= end)
        if here:
            pieces.append(((start, end), here))
    return _same_joined(_short_joined(_same_joined(pieces)))


def _same_joined(pieces: Sequence[Stretch]) -> list[Stretch]:
    made: list[Stretch] = []
    for span, refs in pieces:
        if made and made[-1][1] == refs and made[-1][0][1] == span[0]:
            made[-1] = (made[-1][0][0], span[1]), refs
        else:
            made.append((span, refs))
    return made


def _short_joined(pieces: Sequence[Stretch]) -> list[Stretch]:
    """A short stretch goes to the longer of the stretches that touch it; one that touches none stays."""
    made = list(pieces)
    while True:
        short = [i for i, (span, _) in enumerate(made) if span[1] - span[0] < SHORTEST - 1e-9 and _touching(made, i)]
        if not short:
            return made
        at = min(short, key=lambda i: made[i][0][1] - made[i][0][0])
        to = max(_touching(made, at), key=lambda i: made[i][0][1] - made[i][0][0])
        low, high = min(at, to), max(at, to)
        made[low : high + 1] = [((made[low][0][0], made[high][0][1]), made[to][1])]


def _touching(pieces: Sequence[Stretch], at: int) -> list[int]:
    found = []
    if at > 0 and pieces[at - 1][0][1] == pieces[at][0][0]:
        found.append(at - 1)
    if at + 1 < len(pieces) and pieces[at + 1][0][0] == pieces[at][0][1]:
        found.append(at + 1)
    return found


def persons_of(
    span: Span, refs: frozenset[str], tracks: dict[str, Track], spans: dict[str, Span]
) -> list[dict[str, Any]]:
    """Persons by falling prominence: area x visible time in the stretch, as a share of all; without faces, box area."""
    weights = {}
    for ref in sorted(refs):
        visible = max(0.0, min(span[1], spans[ref][1]) - max(span[0], spans[ref][0]))
        weights[ref] = tracks[ref].area(span) * visible
    shares = shared(weights)
    ordered = sorted(shares, key=lambda ref: (-shares[ref], len(ref), ref))
    return [person(ref, shares[ref]) for ref in ordered]


def shared(weights: dict[str, float], decimals: int = 4) -> dict[str, float]:
    """Shares of the sum that add up to exactly 1 after rounding: the largest takes what rounding left over."""
    total = sum(weights.values())
    if not weights:
        return {}
    even = 1 / len(weights)
    shares = {ref: round(weight / total if total > 0 else even, decimals) for ref, weight in weights.items()}
    largest = max(shares, key=lambda ref: shares[ref])
    shares[largest] = round(shares[largest] + 1 - sum(shares.values()), decimals)
    return shares
