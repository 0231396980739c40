"""Made media, and calls as a client makes them."""

from __future__ import annotations

import io
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw, ImageFont

SIZE = (480, 270)
FPS = 5


def picture(text: str, shade: int = 0) -> Image.Image:
    made = Image.new("RGB", SIZE, (shade * 70 % 255, shade * 130 % 255, 90 + shade * 40 % 160))
    ImageDraw.Draw(made).text((40, 60), text, font=ImageFont.load_default(36), fill="white")
    return made


def png(text: str) -> bytes:
    out = io.BytesIO()
    picture(text).save(out, "PNG")
    return out.getvalue()


def film(path: Path, seconds: int, scene: int = 9) -> bytes:
    """A video with a cut every `scene` seconds, text, something that moves, and a key frame every two seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": str(FPS * 2)})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(seconds * FPS):
            shown = picture(f"Gate {number // (FPS * scene) + 1} open", number // (FPS * scene))
            ImageDraw.Draw(shown).rectangle([number * 8 % 400, 190, number * 8 % 400 + 50, 240], fill="yellow")
            frame = VideoFrame.from_ndarray(np.asarray(shown, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def submit(caller: httpx.Client, video: bytes, **headers: str) -> str:
    """The location of a new job."""
    answer = caller.post("/request/video", content=video, headers={"Content-Type": "video/mp4", **headers})
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def ended(caller: httpx.Client, location: str, seconds: float = 240) -> dict[str, Any]:
    """Polls as the contract says until the job has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = caller.get(location, headers={"Prefer": "wait=10"})
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        if job["status"] in ("finished", "failed"):
            return job
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    pytest.fail("the job did not end")


def until_status(caller: httpx.Client, location: str, wanted: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if caller.get(location).json()["status"] == wanted:
            return
        time.sleep(0.1)
    pytest.fail(f"the job did not get to {wanted}")
