"""Video to frames with PyAV: look, cut at key frames, decode. The only module that opens a video."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from inference.media import Media, MediaError, MediaLimits, Segment, container_of

SEGMENT_SECONDS = 20.0
_HEAD = 1024
_BAD_PACKETS = 50
"""So many packets in a row that do not decode, and the media counts as corrupt."""
_NO_LUMA = ("rgb", "bgr", "gbr", "pal", "rgba", "argb", "xyz", "bayer")
_FORMATS = {"rgb": "rgb24", "bgr": "bgr24", "grey": "gray"}
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}

Pixels = NDArray[np.uint8]
T = TypeVar("T")
_DEFAULT_LIMITS = MediaLimits()


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame at `at` seconds. Pixels are made when asked for, in the size and order asked for."""

    at: float
    _raw: VideoFrame
    _reformatter: VideoReformatter
    _rotation: int

    @property
    def width(self) -> int:
        return self._raw.width if self._rotation % 180 == 0 else self._raw.height

    @property
    def height(self) -> int:
        return self._raw.height if self._rotation % 180 == 0 else self._raw.width

    def luma(self) -> Pixels:
        """Brightness, [h, w] as stored (not rotated). Costs nothing for planar 8-bit YUV: a view of the plane."""
        name = self._raw.format.name
        planar = self._raw.format.components[0].bits == 8 and (name.startswith(("yuv4", "yuvj", "gray", "nv")))
        if not planar:
            return _array(self._reformatter.reformat(self._raw, format="gray"))
        plane = self._raw.planes[0]
        rows: Pixels = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        return rows[: self._raw.height, : self._raw.width]

    @property
    def luma_span(self) -> int:
        """Distance from black to white in `luma`: 219 in video range, 255 in full range (ITU-R BT.601)."""
        name = self._raw.format.name
        full = self._raw.color_range == 2 or name.startswith(("yuvj", "gray", *_NO_LUMA))
        return 255 if full else 219

    def pixels(self, width: int, height: int, order: str = "bgr") -> Pixels:
        """The picture as shown, scaled to the size: [height, width, 3], or [height, width] for "grey"."""
        turned = self._rotation % 180 != 0
        size = (height, width) if turned else (width, height)
        shrinks = size[0] < self._raw.width
        scaled = self._reformatter.reformat(
            self._raw,
            *size,
            format=_FORMATS[order],
            interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
            threads=1,
        )
        pixels = _array(scaled)
        turn = _TURNS.get(self._rotation)
        return pixels if turn is None else np.asarray(cv2.rotate(pixels, turn), np.uint8)


def _array(frame: VideoFrame) -> Pixels:
    return np.asarray(frame.to_ndarray(), np.uint8)


def probe(path: Path, limits: MediaLimits = _DEFAULT_LIMITS) -> Media:
    """What the video is, from its headers and its first frame; refuses what is too large or not a video."""
    size = path.stat().st_size
    if size > limits.video_bytes:
        raise MediaError("media_too_large", f"{size} bytes, the limit is {limits.video_bytes}")
    with _opened(path, threads=1) as (container, stream):
        _refuse_oversize(stream.width, stream.height, limits)
        first = next(_decoded(container, stream), None)
        if first is None:
            raise MediaError("corrupt_media", "no frame could be decoded")
        media = _described(container, stream, first)
    if media.duration > limits.duration:
        raise MediaError("media_too_large", f"{media.duration:.0f} s long, the limit is {limits.duration:.0f} s")
    _refuse_oversize(media.width, media.height, limits)
    return media


def _refuse_oversize(width: int, height: int, limits: MediaLimits) -> None:
    if max(width, height) > max(limits.width, limits.height) or width * height > limits.width * limits.height:
        raise MediaError("media_too_large", f"{width} x {height} pixels, the limit is {limits.width} x {limits.height}")


def _described(container: InputContainer, stream: VideoStream, first: VideoFrame) -> Media:
    rotation = round(first.rotation) % 360
    turned = rotation % 180 != 0
    return Media(
        container=container.format.name,
        codec=stream.codec_context.name,
        width=first.height if turned else first.width,
        height=first.width if turned else first.height,
        fps=float(stream.average_rate or stream.guessed_rate or 25),
        duration=_duration(container, stream),
        rotation=rotation,
    )


def _duration(container: InputContainer, stream: VideoStream) -> float:
    """Seconds, as the headers say; 0 when they do not. `segments` finds the exact end."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1_000_000


@dataclass(frozen=True, slots=True)
class Cut:
    """A video cut into segments; `duration` is where its last frame ends, in seconds."""

    duration: float
    frames: int
    segments: tuple[Segment, ...]


def segments(path: Path, limits: MediaLimits = _DEFAULT_LIMITS, target: float = SEGMENT_SECONDS) -> Cut:
    """Reads all packets (without decoding) and cuts at the first key frame after each `target` seconds."""
    with _opened(path, threads=1) as (container, stream):
        base = _base(stream)
        marks = sorted(_marks(container, stream, base))
    if not marks:
        raise MediaError("corrupt_media", "no frames in the video stream")
    last, _, length = marks[-1]
    duration = round(last + (length or _usual_gap(marks)), 6)
    if duration > limits.duration:
        raise MediaError("media_too_large", f"{duration:.0f} s long, the limit is {limits.duration:.0f} s")
    return Cut(duration, len(marks), cut_at_keys([(at, key) for at, key, _ in marks], duration, target))


def cut_at_keys(marks: list[tuple[float, bool]], duration: float, target: float) -> tuple[Segment, ...]:
    """Segments from (time, is key frame) of every frame in time order. Pure."""
    made: list[Segment] = []
    start, before = marks[0][0], None
    for position, (at, key) in enumerate(marks):
        if key and at - start >= target:
            made.append(Segment(len(made), start, at, before))
            start, before = at, marks[position - 1][0]
    made.append(Segment(len(made), start, duration, before))
    return tuple(made)


def _marks(container: InputContainer, stream: VideoStream, base: Fraction) -> Iterator[tuple[float, bool, float]]:
    """Time, key flag and length of every packet; times in seconds from the start of the stream."""
    start = _start(stream)
    try:
        for packet in container.demux(stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.size:
                yield float((stamp - start) * base), packet.is_keyframe, float((packet.duration or 0) * base)
    except av.FFmpegError:
        return  # a cut-off file: what was read stands


def _usual_gap(marks: list[tuple[float, bool, float]]) -> float:
    if len(marks) < 2:
        return 0.04
    return (marks[-1][0] - marks[0][0]) / (len(marks) - 1)


def decode(path: Path, segment: Segment, *, threads: int = 0, beyond: bool = True) -> Iterator[Frame]:
    """Frames from the segment's start in time order; with `beyond`, on past its end to the end of the video.

    The caller stops when it has seen enough. One reformatter serves all frames; `threads` 0 lets FFmpeg choose.
    """
    reformatter = VideoReformatter()
    with _opened(path, threads) as (container, stream):
        if segment.before is not None:
            stamp = round(segment.start / _base(stream)) + _start(stream)
            container.seek(stamp, stream=stream, backward=True)
        gap = 1 / float(stream.average_rate or 25)
        for at, raw in in_order(_stamped(container, stream, segment.start - gap, gap)):
            if at < segment.start - gap / 4:
                continue
            if at >= segment.end and not beyond:
                return
            yield Frame(at, raw, reformatter, round(raw.rotation) % 360)


def _stamped(
    container: InputContainer, stream: VideoStream, at: float, gap: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Frames with their times in seconds; one without a stamp follows the one before it by the usual gap."""
    base, start = _base(stream), _start(stream)
    for raw in _decoded(container, stream):
        at = float((raw.pts - start) * base) if raw.pts is not None else at + gap
        yield at, raw


def in_order(stamped: Iterator[tuple[float, T]]) -> Iterator[tuple[float, T]]:
    """Decoders put frames out in the order of display, but AVI files may swap the stamps of neighbours: swap back."""
    held: tuple[float, T] | None = None
    for at, frame in stamped:
        if held is None:
            held = at, frame
            continue
        yield min(held[0], at), held[1]
        held = max(held[0], at), frame
    if held is not None:
        yield held


def _base(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def _start(stream: VideoStream) -> int:
    return stream.start_time or 0


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Decodes past single bad packets; many in a row, or a demuxer that gives up at once, is corrupt media."""
    bad, good = 0, 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else stream.decode(packet)
        except (av.FFmpegError, EOFError) as error:
            bad += 1
            if bad > _BAD_PACKETS:
                raise MediaError("corrupt_media", f"{bad} packets in a row do not decode") from error
            continue
        if packet is None:
            break
        bad = 0 if frames else bad
        good += len(frames)
        yield from frames
    if not good and bad:
        raise MediaError("corrupt_media", "no frame could be decoded")


@contextmanager
def _opened(path: Path, threads: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first moving picture. FFmpeg gets the container's name and no protocol but files."""
    with path.open("rb") as file:
        name = container_of(file.read(_HEAD))
    if name is None:
        raise MediaError("unsupported_media", "not MP4, MOV, MKV, WebM, AVI or MPEG-TS")
    options: dict[str, Any] = {"format": name, "options": {"protocol_whitelist": "file"}}
    try:
        container = av.open(str(path), **options)
    except (av.FFmpegError, OSError) as error:
        raise MediaError("corrupt_media", "the container cannot be read") from error
    with container:
        yield container, _stream(container, threads)


def _stream(container: InputContainer, threads: int) -> VideoStream:
    covers = av.stream.Disposition.attached_pic
    moving = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not moving:
        raise MediaError("unsupported_media", "no video stream")
    stream = moving[0]
    if stream.codec_context is None:
        raise MediaError("unsupported_media", "no decoder for this video codec")
    stream.thread_type = "AUTO"
    stream.thread_count = threads
    return stream
