"""How fast this worker is, before it has done any work: a made picture and a made clip through the real analyses."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import structlog
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw, ImageFont

from inference.pool import ROOT, surroundings
from inference.tasks import File, Tools, Work, perform

log = structlog.get_logger()
SIZE = (640, 360)
SECONDS, FPS = 4, 10


class Figures(msgspec.Struct, frozen=True):
    """Milliseconds for a second of video, and for an image."""

    video_ms: float
    image_ms: float


async def figures(folder: Path, threads: int) -> Figures:
    """The figures of an earlier start; else a test in a process of its own, once."""
    kept = folder / f"selftest-{threads}.json"
    if (found := read(kept)) is None:
        found = await tested(threads)
        kept.write_bytes(msgspec.json.encode(found))
        log.info("self-test done", video_ms=found.video_ms, image_ms=found.image_ms)
    return found


def read(kept: Path) -> Figures | None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        return msgspec.json.decode(kept.read_bytes(), type=Figures)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


async def tested(threads: int) -> Figures:
    command = (sys.executable, "-m", "inference.selftest", str(threads))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=surroundings(), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return msgspec.json.decode(said.splitlines()[-1], type=Figures)


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
