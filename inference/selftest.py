"""How fast this worker is, before it has done any work: a made picture and a made clip through the real analyses."""

from __future__ import annotations

import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw, ImageFont

from inference.tasks import Tools, perform
from inference.work import Figures, File, Work

SIZE = (640, 360)
SECONDS, FPS = 4, 10


def measured(folder: Path, threads: int) -> Figures:
    """Each is done once to warm up, then timed."""
    tools, picture, clip = Tools(threads), folder / "picture.png", folder / "clip.mp4"
    drawn(0).save(picture)
    film(clip)
    cut = perform(work("split", clip, folder), tools, lambda: False).output["segments"][0]
    image = Work("t", "image", (File(str(picture)),), (), str(folder / "out"))
    video = msgspec.structs.replace(work("segment", clip, folder), input={"segment": cut})
    return Figures(timed(video, tools) / SECONDS, timed(image, tools))


def work(kind: str, path: Path, folder: Path) -> Work:
    return Work("t", kind, (File(str(path)),), (), str(folder / "out"))


def timed(one: Work, tools: Tools) -> float:
    perform(one, tools, lambda: False)
    start = time.perf_counter()
    perform(one, tools, lambda: False)
    return round((time.perf_counter() - start) * 1000, 1)


def drawn(number: int) -> Image.Image:
    """A picture with text that moves a little."""
    picture = Image.new("RGB", SIZE, (90, 120, 150 + number))
    draw = ImageDraw.Draw(picture)
    draw.text((40 + number, 150), "Sightlog self-test", font=ImageFont.load_default(40), fill="white")
    return picture


def film(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(SECONDS * FPS):
            frame = VideoFrame.from_ndarray(np.asarray(drawn(number), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="sightlog-selftest-") as where:
        sys.stdout.write(msgspec.json.encode(measured(Path(where), int(sys.argv[1]))).decode() + "\n")
