"""What a video is, is told by its content; what is wrong with it is found later and named on the job."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction

import av
import httpx
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.integration.noxovision.calls import ended, submit

SIZE = (160, 90)


def video(form: str, codec: str, frames: int = 20) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=5)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            shade = np.full((SIZE[1], SIZE[0], 3), number * 9 % 255, np.uint8)
            frame = VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        if not frames:
            container.start_encoding()
        container.mux(stream.encode(None))
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44_100, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def spoilt() -> bytes:
    """The frames are noise, the index is right."""
    data = video("mp4", "libx264")
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    noise = np.random.default_rng(1).integers(0, 256, end - start, np.uint8)
    return data[:start] + noise.tobytes() + data[end:]


@pytest.mark.parametrize(
    ("form", "codec"),
    [("mp4", "libx264"), ("mov", "mpeg4"), ("matroska", "libx264"), ("webm", "libvpx-vp9"), ("avi", "mpeg4"),
     ("mpegts", "libx264")],
)  # fmt: skip
def test_every_container_by_its_content(acme: httpx.Client, form: str, codec: str) -> None:
    job = ended(acme, submit(acme, video(form, codec), **{"Content-Type": "video/x-whatever"}))
    assert job["status"] == "finished", job
    assert job["result"]["analysis"]["duration_seconds"] == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        pytest.param(lambda: video("avi", "mpeg4", 0), "corrupt_media", id="no frames"),
        pytest.param(lambda: video("matroska", "libx264", 0), "corrupt_media", id="no frames, matroska"),
        pytest.param(lambda: cut(video("mp4", "libx264")), "corrupt_media", id="no index"),
        pytest.param(spoilt, "corrupt_media", id="noise"),
        pytest.param(lambda: b"\x1a\x45\xdf\xa3" + bytes(2000), "corrupt_media", id="only a head"),
        pytest.param(lambda: (b"G" + bytes(187)) * 10, "corrupt_media", id="empty packets"),
        pytest.param(sound, "unsupported_media", id="only sound"),
    ],
)
def test_what_is_wrong_is_named(acme: httpx.Client, made: Callable[[], bytes], code: str) -> None:
    job = ended(acme, submit(acme, made()))
    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", code, False)


def test_what_is_there_of_a_cut_off_stream_is_analysed(acme: httpx.Client) -> None:
    job = ended(acme, submit(acme, cut(video("matroska", "libx264", 200))))
    assert job["status"] == "finished", job
    assert 5 < job["result"]["analysis"]["duration_seconds"] < 40
