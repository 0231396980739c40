"""Images are told by their content; what is cut off is corrupt, what is none of ours is not supported."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from inference.images import FORMATS, opened, probe
from inference.media import MediaError

SIZE = (64, 48)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def heif(colour: tuple[int, int, int]) -> bytes:
    """A HEIF file of one HEVC picture (ISO/IEC 23008-12), written here since nothing we use writes it."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx265", rate=1, options={"x265-params": "log-level=none"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        frame = VideoFrame.from_ndarray(np.full((SIZE[1], SIZE[0], 3), colour, np.uint8), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    out.seek(0)
    with av.open(out, "r") as written:
        (video,) = written.streams.video
        sample = b"".join(bytes(packet) for packet in written.demux(video) if packet.size)
        setup = video.codec_context.extradata or b""
    kind = box(b"ftyp", b"heic", bytes(4), b"mif1heic")

    def meta(offset: int) -> bytes:
        properties = box(b"ipco", box(b"hvcC", setup), box(b"ispe", bytes(4), struct.pack(">II", *SIZE)))
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), struct.pack(">H", 1)),
            box(b"iloc", bytes(4), struct.pack(">HHHHHII", 0x4400, 1, 1, 0, 1, offset, len(sample))),
            box(
                b"iinf", bytes(4), struct.pack(">H", 1), box(b"infe", b"\2\0\0\0", struct.pack(">HH", 1, 0), b"hvc1\0")
            ),
            box(b"iprp", properties, box(b"ipma", bytes(4), struct.pack(">IHBBB", 1, 1, 2, 0x81, 2))),
        )

    return kind + meta(len(kind) + len(meta(0)) + 8) + box(b"mdat", sample)


def made(name: str) -> bytes:
    if name == "HEIF":
        return heif((200, 30, 30))
    out = io.BytesIO()
    Image.new("RGB", SIZE, (200, 30, 30)).save(out, name)
    return out.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_opened(name: str) -> None:
    data = made(name)
    info = probe(data)
    assert (info.format, info.width, info.height) == (name.lower(), *SIZE)
    pixel = opened(data).pixels(*SIZE)[20, 20]
    assert np.abs(pixel.astype(int) - (30, 30, 200)).max() < 30


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_what_is_cut_off_is_corrupt(name: str, share: float) -> None:
    data = made(name)
    with pytest.raises(MediaError) as caught:
        opened(data[: int(len(data) * share)])
    assert caught.value.code == "corrupt_media"


@pytest.mark.parametrize("data", [b"", b"what is this", b"<svg/>", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE"])
def test_what_is_none_of_ours(data: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        opened(data)
    assert caught.value.code == "unsupported_media"
