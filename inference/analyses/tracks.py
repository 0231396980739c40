"""Findings of single frames joined to things that stay. Pure.

Greedy matching of predicted boxes, strong findings first, then weak ones that only continue what is there (the idea of
ByteTrack, arXiv 2110.06864).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from inference import boxes as geometry
from inference.found import Found
from inference.spans import Span

Box = tuple[float, float, float, float]
"""x, y (top left), width, height as fractions of the picture."""
Seen = tuple[float, tuple[Found, ...]]
"""A time in seconds and what was found then."""

STRONG = 0.5
"""Only findings of this score start a track."""
PATIENCE = 1.5
"""Seconds that a thing may be out of sight and still be the same."""
_FEWEST = 3
_SUREST = 0.5
"""A thing is believed when it was seen so often, with this mean score."""
_NEAR = 0.2
"""The least closeness of a match, see `closeness`."""


@dataclass(slots=True)
class Track:
    """One thing over time: its samples are (time, box, score)."""

    label: str
    samples: list[tuple[float, Box, float]] = field(default_factory=list)
    until: float = math.inf
    """The cut that ended it, in seconds."""

    @property
    def start(self) -> float:
        return self.samples[0][0]

    @property
    def last(self) -> float:
        return self.samples[-1][0]

    @property
    def score(self) -> float:
        """Mean score."""
        return sum(score for _, _, score in self.samples) / len(self.samples)

    def predicted(self, at: float) -> Box:
        """The last box, moved on by the speed of the last second."""
        end, box, _ = self.samples[-1]
        recent = [sample for sample in self.samples if end - sample[0] <= 1.0]
        begin, old, _ = recent[0]
        if end <= begin:
            return box
        ahead = min(at - end, PATIENCE) / (end - begin)
        return box[0] + (box[0] - old[0]) * ahead, box[1] + (box[1] - old[1]) * ahead, box[2], box[3]

    def span(self, step: float, duration: float) -> Span:
        """From the first sighting to one sampling step after the last, but not past a cut."""
        return self.start, min(self.last + step, self.until, duration)

    def area(self, span: Span) -> float:
        """Mean area of the boxes seen in the span, as a share of the picture; of all boxes when none was."""
        inside = [box for at, box, _ in self.samples if span[0] <= at < span[1]]
        chosen = inside or [box for _, box, _ in self.samples]
        return sum(box[2] * box[3] for box in chosen) / len(chosen)


def tracks(seen: Sequence[Seen], cuts: Sequence[float] = ()) -> list[Track]:
    """All tracks that were seen often enough, by their start; none goes across a cut."""
    open_, closed = list[Track](), list[Track]()
    edges = sorted(cuts)
    for at, found in sorted(seen, key=lambda entry: entry[0]):
        while edges and edges[0] <= at:
            cut = edges.pop(0)
            for track in open_:
                track.until = cut
            closed, open_ = closed + open_, []
        lost = [track for track in open_ if at - track.last > PATIENCE]
        closed, open_ = closed + lost, [track for track in open_ if track not in lost]
        open_ += _advance(open_, at, found)
    kept = [track for track in closed + open_ if len(track.samples) >= _FEWEST and track.score >= _SUREST]
    return sorted(kept, key=lambda track: (track.start, track.label, track.samples[0][1]))


def _advance(open_: list[Track], at: float, found: tuple[Found, ...]) -> list[Track]:
    """Continues the open tracks with what was found; gives the new ones."""
    strong = [one for one in found if one.score >= STRONG]
    weak = [one for one in found if one.score < STRONG]
    free, unmatched = _match(open_, at, strong)
    _match(free, at, weak)
    return [Track(one.label, [(at, _box(one), one.score)]) for one in unmatched]


def _match(open_: list[Track], at: float, found: list[Found]) -> tuple[list[Track], list[Found]]:
    """Gives each finding to the closest track of its label; returns the tracks and findings left over."""
    free, unmatched = list(open_), list(found)
    if not free or not unmatched:
        return free, unmatched
    near = closeness([track.predicted(at) for track in free], [_box(one) for one in unmatched])
    same = np.array([[track.label == one.label for one in unmatched] for track in free])
    near = np.where(same, near, 0.0)
    pairs = [divmod(int(flat), near.shape[1]) for flat in np.argsort(-near, axis=None) if near.flat[flat] > _NEAR]
    taken_tracks, taken_found = set[int](), set[int]()
    for row, column in pairs:
        if row not in taken_tracks and column not in taken_found:
            one = unmatched[column]
            free[row].samples.append((at, _box(one), one.score))
            taken_tracks.add(row)
            taken_found.add(column)
    return (
        [track for row, track in enumerate(free) if row not in taken_tracks],
        [one for column, one in enumerate(unmatched) if column not in taken_found],
    )


def closeness(ours: Sequence[Box], theirs: Sequence[Box]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """0 to 1 for each pair [n, m]: overlap of the boxes after both have grown by a quarter to each side.

    Growing keeps hold of what moves by half its width between two samples.
    """
    return geometry.overlap(_grown(ours), _grown(theirs)).astype(np.float64)


def _grown(found: Sequence[Box]) -> geometry.Floats:
    flat = np.array(found, np.float32).reshape(-1, 4)
    margin = flat[:, 2:] * np.float32(0.25)
    return np.concatenate([flat[:, :2] - margin, flat[:, :2] + flat[:, 2:] + margin], 1)


def _box(one: Found) -> Box:
    return one.x, one.y, one.width, one.height
