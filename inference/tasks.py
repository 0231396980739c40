"""One task of a job, as a child process does it: files in, a file out. No Kafka, no database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import orjson

from inference.analyse import AnalysisOptions, Models, analyse_image, analyse_segment, merging
from inference.analyses.text import PaddleReader
from inference.detector import Detector
from inference.engine import Engine, EngineOptions, ModelError
from inference.findings import SegmentFindings
from inference.frames import SEGMENT_SECONDS, probe, segments
from inference.media import Media, Segment
from inference.merge import MergeOptions, merge
from inference.stopwatch import Stopwatch
from inference.work import File, Result, Work

MOST_SEGMENTS = 96
"""Longer videos have longer segments: a job's state stays small."""


@dataclass
class Tools:
    """What is loaded once and used for every task: the models by digest, the reader of text."""

    threads: int = 0
    engine: Engine = field(init=False)
    watch: Stopwatch = field(default_factory=Stopwatch)
    """Of the task at hand."""
    _reader: PaddleReader | None = None
    _finders: dict[str, Detector | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.engine = Engine(EngineOptions(threads=self.threads))

    def reader(self) -> PaddleReader:
        if self._reader is None:
            self._reader = PaddleReader(threads=self.threads)
        return self._reader

    def models(self, wanted: Sequence[File]) -> Models:
        """Text always; the first of the models that finds things in pictures."""
        for file in wanted:
            finder = self.finder(file)
            if finder is not None:
                return Models(finder, self.reader(), finder.head.family == "classes")
        return Models(None, self.reader())

    def finder(self, file: File) -> Detector | None:
        """None for a model whose outputs mean nothing to us."""
        if file.digest not in self._finders:
            try:
                self._finders[file.digest] = Detector.load(self.engine, file.digest, Path(file.path).read_bytes)
            except ModelError:
                self._finders[file.digest] = None
        return self._finders[file.digest]


def perform(work: Work, tools: Tools, stop: Callable[[], bool]) -> Result:
    """Errors: MediaError for bad media, Stopped when told to stop."""
    tools.watch = Stopwatch()
    result = PERFORM[work.kind](work, tools, stop)
    return msgspec.structs.replace(result, spent=tools.watch.seconds)


def split(work: Work, tools: Tools, stop: Callable[[], bool]) -> Result:
    path = Path(work.files[0].path)
    with tools.watch.on("decode"):
        media = probe(path)
        cut = segments(path, target=max(SEGMENT_SECONDS, media.duration / MOST_SEGMENTS))
    media = replace(media, duration=cut.duration)
    return Result({"media": asdict(media), "segments": [segment.plain() for segment in cut.segments]}, cut.duration)


def segment(work: Work, tools: Tools, stop: Callable[[], bool]) -> Result:
    models, options = tools.models(work.models), options_of(work, tools)
    part = Segment.of(work.input["segment"])
    findings = analyse_segment(Path(work.files[0].path), part, models, options, stop, tools.watch)
    found = {"findings": findings.plain(), "versions": models.versions(), "classifies": models.classifies}
    return written(work, orjson.dumps(found), part.end - part.start)


def image(work: Work, tools: Tools, stop: Callable[[], bool]) -> Result:
    data = Path(work.files[0].path).read_bytes()
    made = analyse_image(data, tools.models(work.models), options_of(work, tools), tools.watch)
    return written(work, orjson.dumps(made), 1.0)


def joined(work: Work, tools: Tools, stop: Callable[[], bool]) -> Result:
    """The `result` of a video, or the `items` of a batch."""
    return joined_items(work) if "items" in work.input else joined_video(work, tools)


def joined_video(work: Work, tools: Tools) -> Result:
    media = Media(**work.input["media"])
    found = [orjson.loads(Path(file.path).read_bytes()) for file in work.files]
    options = replace(merging(Models(), options_of(work, tools)), classifies=found[0]["classifies"])
    parts = (SegmentFindings.of(one["findings"]) for one in found)
    made = merge(parts, media, media.duration, found[0]["versions"], options)
    return written(work, orjson.dumps(made), media.duration)


def joined_items(work: Work) -> Result:
    results = iter(work.files)
    items = [item(index, given, results) for index, given in enumerate(work.input["items"])]
    return written(work, orjson.dumps(items), float(len(items)))


def item(index: int, given: dict[str, Any], results: Any) -> dict[str, Any]:
    head = {"index": index, "external_id": given["external_id"]}
    if given["error"] is not None:
        return {**head, "status": "failed", "error": given["error"]}
    return {**head, "status": "finished", "result": orjson.Fragment(Path(next(results).path).read_bytes())}


def options_of(work: Work, tools: Tools) -> AnalysisOptions:
    critical = frozenset(work.options.get("critical", ()))
    return AnalysisOptions(threads=tools.threads, merging=MergeOptions(critical=critical))


def written(work: Work, data: bytes, units: float) -> Result:
    Path(work.target).write_bytes(data)
    return Result({"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}, units, stored=True)


PERFORM: dict[str, Callable[[Work, Tools, Callable[[], bool]], Result]] = {
    "split": split,
    "segment": segment,
    "image": image,
    "merge": joined,
}
