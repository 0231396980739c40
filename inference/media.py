"""What a media file is, told by its first bytes. Pure.

The names and extensions of uploads are never trusted: FFmpeg would open a play list named `.mp4` and follow the
addresses in it. So the container is told here and handed to FFmpeg by name.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

MediaCode = Literal["unsupported_media", "corrupt_media", "media_too_large", "item_too_large"]
"""A subset of the job and item errors of the Noxovision contract, section 9."""


class MediaError(Exception):
    """The media cannot be analysed; `code` is the word the job fails with."""

    def __init__(self, code: MediaCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code: MediaCode = code
        self.message = message


class Stopped(Exception):
    """The work was asked to stop: cancelled, past its deadline, or its lease was lost."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What is accepted; the defaults are those of the Noxovision contract, sections 5 and 6."""

    video_bytes: int = 2 * 1024**3
    duration: float = 6 * 3600.0
    """Seconds."""
    width: int = 7680
    height: int = 4320
    image_bytes: int = 20 * 1024**2
    image_pixels: int = 100_000_000


@dataclass(frozen=True, slots=True)
class Media:
    """A video as it is shown: after rotation. Times in seconds, sizes in pixels."""

    container: str
    codec: str
    width: int
    height: int
    fps: float
    duration: float
    rotation: int = 0
    """Degrees counter-clockwise that the stored picture is turned by for display: 0, 90, 180, 270."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a video that starts at a key frame: `start` included, `end` excluded, in seconds.

    `before` is the time of the last frame ahead of it, None for the first segment.
    """

    index: int
    start: float
    end: float
    before: float | None = None

    def plain(self) -> dict[str, Any]:
        return {"index": self.index, "start": self.start, "end": self.end, "before": self.before}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        return cls(plain["index"], plain["start"], plain["end"], plain["before"])


_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_TS_PACKET = 188
_M2TS_PACKET = 192


def container_of(head: bytes) -> str | None:
    """FFmpeg's name of the container that starts with `head` (give it 1 KiB), or None when it is not one we take."""
    if head[4:8] in _BOXES:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if _syncs(head, 0, _TS_PACKET) or _syncs(head, 4, _M2TS_PACKET):
        return "mpegts"
    return None


def _syncs(head: bytes, start: int, step: int) -> bool:
    """True when an MPEG-TS sync byte stands at the start of each packet."""
    marks = head[start::step]
    return len(marks) >= 3 and all(mark == 0x47 for mark in marks)
