"""A short film cut from the fetched clips and two title cards, so that one video has scenes, text and persons."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw, ImageFont

SIZE = (768, 576)
"""Width and height, those of the street clip."""
FPS = 25
CARDS = (("Sand Point Camera 3", "Entrance -> Lobby"), ("Delivery entrance closed", "Please use the east door"))
CAPTION = "Main Street North"
"""Stands over the first seconds of the street."""
CARD_SECONDS = 3.0
CAPTION_SECONDS = 6.0
STREET_SECONDS = 12.0


def make(clips: Sequence[Path], target: Path) -> None:
    """Card, street, bikes, card, bunny: H.264 in MP4, a key frame every two seconds."""
    street, bikes, bunny = clips
    part = target.with_suffix(".part.mp4")
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "20", "g": "50"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 2
        for number, picture in enumerate(_pictures(street, bikes, bunny)):
            frame = VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    part.replace(target)


def _pictures(street: Path, bikes: Path, bunny: Path) -> Iterator[Image.Image]:
    yield from card(*CARDS[0])
    for number, picture in enumerate(clip(street, STREET_SECONDS)):
        yield captioned(picture) if number < CAPTION_SECONDS * FPS else picture
    yield from clip(bikes, 10.0)
    yield from card(*CARDS[1])
    yield from clip(bunny, 5.0)


def card(title: str, line: str) -> Iterator[Image.Image]:
    """The same picture for three seconds."""
    picture = Image.new("RGB", SIZE, (24, 34, 48))
    draw = ImageDraw.Draw(picture)
    middle = SIZE[0] / 2
    draw.text((middle, 240), title, fill="white", anchor="mm", font=ImageFont.load_default(52))
    draw.text((middle, 330), line, fill=(250, 200, 90), anchor="mm", font=ImageFont.load_default(38))
    yield from [picture] * round(CARD_SECONDS * FPS)


def captioned(picture: Image.Image) -> Image.Image:
    made = picture.copy()
    draw = ImageDraw.Draw(made)
    draw.rectangle((0, SIZE[1] - 56, SIZE[0], SIZE[1]), fill=(0, 0, 0))
    draw.text((20, SIZE[1] - 28), CAPTION, fill="white", anchor="lm", font=ImageFont.load_default(34))
    return made


def clip(path: Path, seconds: float) -> Iterator[Image.Image]:
    """The clip's first seconds at our rate: each picture stands until the next one is due."""
    due, held = 0, None
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            at = float(frame.time or 0.0)
            while held is not None and due / FPS < min(at, seconds) - 1e-6:
                yield held
                due += 1
            if at >= seconds:
                return
            held = fitted(frame)
        while held is not None and due / FPS < seconds - 1e-6:
            yield held
            due += 1


def fitted(frame: VideoFrame) -> Image.Image:
    """The frame in our size, black bars where the shapes differ."""
    scale = min(SIZE[0] / frame.width, SIZE[1] / frame.height)
    width, height = round(frame.width * scale), round(frame.height * scale)
    pixels = np.asarray(frame.reformat(width, height, format="rgb24", threads=1).to_ndarray())
    picture = Image.new("RGB", SIZE)
    picture.paste(Image.fromarray(pixels), ((SIZE[0] - width) // 2, (SIZE[1] - height) // 2))
    return picture
