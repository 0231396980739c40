"""What a worker hands to its child processes, and what comes back. Plain data; loads nothing that decodes or infers."""

from __future__ import annotations

from typing import Any

import msgspec


class File(msgspec.Struct, frozen=True):
    """A file that the worker has fetched."""

    path: str
    digest: str = ""


class Work(msgspec.Struct, frozen=True):
    """A task with everything it needs lying here; `files` are the task's media, or the findings it merges."""

    id: str
    kind: str
    files: tuple[File, ...]
    models: tuple[File, ...]
    target: str
    input: dict[str, Any] = {}
    options: dict[str, Any] = {}


class Result(msgspec.Struct, frozen=True):
    """What a task gives: plain output, and in the target file what is too large for it."""

    output: dict[str, Any] = {}
    units: float = 0.0
    """Seconds of video, or images."""
    stored: bool = False
    spent: dict[str, float] = {}
    """Seconds of `decode` and `infer`."""


class Figures(msgspec.Struct, frozen=True):
    """Milliseconds for a second of video, and for an image."""

    video_ms: float
    image_ms: float
