"""What a job's work is: a video is split, its segments analysed and merged; a batch is its images and a merge. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.analysis.messages import Planned, RequestAnalysis
from streams.analysis.envelope import error_of, item_error
from streams.analysis.job import Job


class Split(msgspec.Struct, frozen=True):
    """Output of `split`: what the video is and where it is cut."""

    media: dict[str, Any]
    segments: tuple[dict[str, Any], ...]


class Stored(msgspec.Struct, frozen=True):
    """Output of the other tasks: an object in the store. `units`: seconds of video, or images."""

    key: str
    bytes: int
    sha256: str = ""
    units: float = 0.0


OUTPUT: dict[str, type[Split | Stored]] = {
    "split": Split,
    "segment": Stored,
    "image": Stored,
    "merge": Stored,
}


def output_of(kind: str, output: Any) -> Split | Stored | None:
    """The output in its type, or None when it does not fit."""
    try:
        return msgspec.convert(output, OUTPUT[kind])
    except msgspec.ValidationError:
        return None


def first_tasks(request: RequestAnalysis) -> tuple[Planned, ...]:
    """`split` for a video; an image for every item that was not refused at the door."""
    if request.kind == "video":
        return (Planned(task="split", kind="split", input={"key": request.media}),)
    return tuple(
        Planned(task=f"image-{index}", kind="image", position=index, input={"key": item.key})
        for index, item in enumerate(request.items)
        if item.key is not None and item.code is None
    )


def segments(job: Job, split: Split) -> tuple[Planned, ...]:
    key = job.request.media if job.request else None
    return tuple(
        Planned(
            task=f"segment-{index}",
            kind="segment",
            position=index,
            input={"key": key, "media": split.media, "segment": segment},
        )
        for index, segment in enumerate(split.segments)
    )


def merge(job: Job) -> Planned:
    """The last task: makes the result of everything before it."""
    if job.request is not None and job.request.kind == "images":
        return Planned(task="merge", kind="merge", input={"items": merge_items(job)})
    done = job.task("split")
    outputs = [task.output for task in sorted(job.of_kind("segment"), key=lambda task: task.position)]
    return Planned(
        task="merge",
        kind="merge",
        input={"media": done and done.output["media"], "segments": outputs},
    )


def merge_items(job: Job) -> list[dict[str, Any]]:
    outputs = {task.position: task.output for task in job.of_kind("image")}
    return [
        {
            "external_id": item.external_id,
            "output": outputs.get(index),
            "error": error_of(error) if (error := item_error(item)) else None,
        }
        for index, item in enumerate(job.items())
    ]
