"""A video or an image to the contract's result: map over segments, then merge (noxovision.md, section 10).

No Kafka, no database: a worker leases segments, calls `analyse_segment` for each, stores its plain findings, and calls
`merge` once all are there; `analyse_video` does the same in one call.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from inference.analyses import scenes
from inference.analyses.activity import FPS, ActivityMeter
from inference.analyses.text import Reader, full_text
from inference.findings import SegmentFindings
from inference.found import Found
from inference.frames import SEGMENT_SECONDS, Cut, Frame, decode, probe, segments
from inference.images import opened
from inference.media import Media, MediaLimits, Segment, Stopped
from inference.merge import MergeOptions, image_result, merge
from inference.sample import Sampler
from inference.stopwatch import Stopwatch
from inference.tensors import Picture

_IN_FLIGHT = 8
"""Pictures handed to the engine before the oldest answer is waited for."""

__all__ = ["AnalysisOptions", "Models", "analyse_image", "analyse_segment", "analyse_video", "merge"]


class Answer(Protocol):
    def result(self) -> tuple[Found, ...]: ...


class Finder(Protocol):
    """A detector or classifier, see `inference.detector.Detector`."""

    @property
    def version(self) -> str: ...
    def submit(self, picture: Picture) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Models:
    """What the analysis may use; each may be missing. `classifies` says the finder gives classes, not boxes."""

    finder: Finder | None = None
    reader: Reader | None = None
    classifies: bool = False

    def versions(self) -> dict[str, str]:
        """The contract's `model_versions`."""
        named = {"objects": self.finder, "text": self.reader}
        return {name: model.version for name, model in named.items() if model is not None}


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """Rates in samples a second; `threads` is for decoding, 0 lets FFmpeg choose."""

    find_fps: float = 4.0
    text_fps: float = 0.5
    segment_seconds: float = SEGMENT_SECONDS
    threads: int = 0
    limits: MediaLimits = field(default_factory=MediaLimits)
    merging: MergeOptions = field(default_factory=MergeOptions)


_USUAL = AnalysisOptions()


def never() -> bool:
    return False


def ignore(_: float) -> None:
    return None


def analyse_video(
    path: Path,
    models: Models,
    options: AnalysisOptions = _USUAL,
    on_progress: Callable[[float], None] = ignore,
    should_stop: Callable[[], bool] = never,
) -> dict[str, Any]:
    """The contract's video result. Progress is 0 to 1. Raises MediaError for bad media, Stopped when told to stop."""
    media = probe(path, options.limits)
    cut = segments(path, options.limits, options.segment_seconds)
    findings = []
    for segment in cut.segments:
        findings.append(analyse_segment(path, segment, models, options, should_stop))
        on_progress(min(1.0, segment.end / cut.duration))
    return merge(findings, media, cut.duration, models.versions(), merging(models, options))


def merging(models: Models, options: AnalysisOptions = _USUAL) -> MergeOptions:
    """The options `merge` needs for findings made with these models and rates."""
    given = options.merging
    return MergeOptions(1 / options.find_fps, 1 / options.text_fps, models.classifies, given.critical, given.boxes)


def prepare(path: Path, options: AnalysisOptions = _USUAL) -> tuple[Media, Cut]:
    """What a job needs before its segments can be leased."""
    return probe(path, options.limits), segments(path, options.limits, options.segment_seconds)


def analyse_segment(
    path: Path,
    segment: Segment,
    models: Models,
    options: AnalysisOptions = _USUAL,
    should_stop: Callable[[], bool] = never,
    watch: Stopwatch | None = None,
) -> SegmentFindings:
    """Everything found in one segment; what it gives does not depend on how the video was cut.

    Decodes a few frames past the end, up to the first activity sample there, so that the join is complete.
    """
    work = _Work.on(segment, models, options, watch or Stopwatch())
    for frame in work.watch.over("decode", decode(path, segment, threads=options.threads)):
        if should_stop():
            raise Stopped
        if work.finished(frame):
            break
        work.take(frame)
    return work.findings()


@dataclass(slots=True)
class _Work:
    """The state of one segment's analysis."""

    segment: Segment
    models: Models
    cuts: scenes.CutFinder
    activity: ActivityMeter
    finding: Sampler
    reading: Sampler
    made: SegmentFindings
    watch: Stopwatch
    pending: list[tuple[float, Answer]] = field(default_factory=list)
    beyond: int = 0

    @classmethod
    def on(cls, segment: Segment, models: Models, options: AnalysisOptions, watch: Stopwatch) -> "_Work":
        before = segment.before
        return cls(
            segment=segment,
            models=models,
            cuts=scenes.CutFinder(first=before is None),
            activity=ActivityMeter(Sampler(FPS, before), segment.end),
            finding=Sampler(options.find_fps, before),
            reading=Sampler(options.text_fps, before),
            made=SegmentFindings(segment),
            watch=watch,
        )

    def finished(self, frame: Frame) -> bool:
        return frame.at >= self.segment.end and self.beyond >= scenes.AHEAD and self.activity.done

    def take(self, frame: Frame) -> None:
        luma, span = frame.luma(), frame.luma_span
        self.activity.add(frame.at, luma, span)
        if self.beyond < scenes.AHEAD:
            self.cuts.add(frame.at, scenes.patches(luma, span))
        if frame.at >= self.segment.end:
            self.beyond += 1
            return
        self.made.frames += 1
        self._find(frame)
        self._read(frame)

    def _find(self, frame: Frame) -> None:
        finder = self.models.finder
        if finder is None or not self.finding.takes(frame.at):
            return
        with self.watch.on("infer"):
            self.pending.append((frame.at, finder.submit(frame)))
        if len(self.pending) >= _IN_FLIGHT:
            self._settle(1)

    def _read(self, frame: Frame) -> None:
        reader = self.models.reader
        if reader is not None and self.reading.takes(frame.at):
            with self.watch.on("infer"):
                self.made.text.append((frame.at, reader.read(frame)))

    def _settle(self, count: int) -> None:
        """Waits for the oldest answers."""
        with self.watch.on("infer"):
            self.made.found += [(at, answer.result()) for at, answer in self.pending[:count]]
        del self.pending[:count]

    def findings(self) -> SegmentFindings:
        self._settle(len(self.pending))
        self.made.samples = self.activity.samples
        self.made.cuts = self.cuts.cuts(self.made.frames)
        return self.made


def analyse_image(
    data: bytes, models: Models, options: AnalysisOptions = _USUAL, watch: Stopwatch | None = None
) -> dict[str, Any]:
    """The contract's `result` of one image item. Raises MediaError for bad media."""
    watch = watch or Stopwatch()
    with watch.on("decode"):
        picture = opened(data, options.limits)
    with watch.on("infer"):
        found = models.finder.submit(picture).result() if models.finder is not None else ()
        lines = models.reader.read(picture) if models.reader is not None else ()
    return image_result(found, lines, full_text(lines), merging(models, options))


def results(findings: Sequence[dict[str, Any]]) -> Iterator[SegmentFindings]:
    """Stored plain findings back to their type, for `merge`."""
    return map(SegmentFindings.of, findings)
