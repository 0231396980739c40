"""Images are told by their content; what is cut off is corrupt, what is none of ours is not supported."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.images import FORMATS, opened, probe
from inference.media import MediaError

SIZE = (64, 48)
RED = Path(__file__).with_name("red.heic")
"""One HEVC picture, all red: nothing that we use writes HEIF."""


def made(name: str) -> bytes:
    if name == "HEIF":
        return RED.read_bytes()
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
