"""Films are told by content, cut at key frames, and decoded without loss or repeat."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.frames import cut_at_keys, decode, in_order, probe, segments
from inference.media import MediaError, MediaLimits, Segment, container_of
from inference.sample import Sampler


def test_probe_tells_what_it_is(film: Callable[..., Path], shades: Callable[..., list[Any]]) -> None:
    media = probe(film(shades([(0.5, 25)])))
    assert (media.container.split(",")[0], media.codec, media.width, media.height) == ("mov", "h264", 96, 64)
    assert media.fps == 10
    assert media.duration == pytest.approx(2.5)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi", "film.ts", "film.webm"])
def test_segments_decode_to_the_whole(film: Callable[..., Path], shades: Callable[..., list[Any]], name: str) -> None:
    codec = "libvpx" if name.endswith("webm") else "libx264"
    path = film(shades([(0.2, 20), (0.7, 17)]), name=name, codec=codec)
    cut = segments(path, target=1.0)
    whole = [frame.at for frame in decode(path, cut.segments[0], threads=1)]
    parts = [frame.at for one in cut.segments for frame in decode(path, one, threads=1, beyond=False)]
    assert len(cut.segments) >= 3
    assert parts == whole == sorted(set(whole))
    assert (len(whole), cut.frames) == (37, 37)
    assert cut.duration == pytest.approx(3.7, abs=0.11)  # AVI counts from its first packet, a frame early


def test_cuts_only_at_key_frames() -> None:
    marks = [(at / 10, at % 7 == 0) for at in range(40)]
    made = cut_at_keys(marks, 4.0, target=1.0)
    assert [one.start for one in made] == [0.0, 1.4, 2.8]
    assert [one.end for one in made] == [1.4, 2.8, 4.0]
    assert [one.before for one in made] == [None, 1.3, 2.7]


def test_samples_do_not_depend_on_the_cut() -> None:
    times = [number / 30 for number in range(300)]
    whole = [at for at in times if (one := Sampler(2.0)) is not None and one.takes(at)]
    assert len(whole) == 300  # a fresh sampler takes whatever comes first
    sampler = Sampler(2.0)
    expected = [at for at in times if sampler.takes(at)]
    first, second = Sampler(2.0), Sampler(2.0, before=times[130])
    parts = [at for at in times[:131] if first.takes(at)] + [at for at in times[131:] if second.takes(at)]
    assert parts == expected
    assert len(expected) == 20


def test_swapped_stamps_are_put_right() -> None:
    assert list(in_order(iter([(1.0, "a"), (3.0, "b"), (2.0, "c"), (4.0, "d")]))) == [
        (1.0, "a"),
        (2.0, "b"),
        (3.0, "c"),
        (4.0, "d"),
    ]


def test_pixels_come_in_the_size_and_order_asked_for(film: Callable[..., Path]) -> None:
    red = np.zeros((64, 96, 3), np.uint8)
    red[..., 0] = 255
    path = film([red] * 3)
    frame = next(iter(decode(path, segments(path).segments[0])))
    small = frame.pixels(24, 16, "bgr")
    assert small.shape == (16, 24, 3)
    assert small[8, 12, 2] > 240 > 20 > small[8, 12, 0]
    assert frame.pixels(24, 16, "rgb")[8, 12, 0] > 240
    assert frame.pixels(24, 16, "grey").shape == (16, 24)
    assert frame.luma().shape == (64, 96)
    assert frame.luma_span == 219


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x00\x00\x20ftypisom", "mov"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), "matroska"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "avi"),
        ((b"\x47" + bytes(187)) * 5, "mpegts"),
        (b"#EXTM3U\nhttp://example.org/", None),
        (b"<?xml version", None),
        (b"", None),
    ],
)
def test_containers_by_content(head: bytes, name: str | None) -> None:
    assert container_of(head) == name


def test_bad_media_is_named(tmp_path: Path, film: Callable[..., Path], shades: Callable[..., list[Any]]) -> None:
    good = film(shades([(0.5, 30)])).read_bytes()
    listing = _file(tmp_path, "list.mp4", b"#EXTM3U\n#EXTINF:1\nfile:///etc/hostname\n")
    assert _code(listing) == "unsupported_media"
    assert _code(_file(tmp_path, "text.mp4", b"no film at all")) == "unsupported_media"
    assert _code(_file(tmp_path, "empty.mp4", b"")) == "unsupported_media"
    assert _code(_file(tmp_path, "cut.mp4", good[: len(good) // 2])) == "corrupt_media"
    assert _code(_file(tmp_path, "noise.mkv", b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 8)) == "corrupt_media"


@pytest.mark.parametrize(
    "limits", [MediaLimits(duration=1.0), MediaLimits(width=64, height=48), MediaLimits(video_bytes=100)]
)
def test_too_large_is_named(film: Callable[..., Path], shades: Callable[..., list[Any]], limits: MediaLimits) -> None:
    assert _code(film(shades([(0.5, 30)])), limits) == "media_too_large"


def test_a_segment_survives_its_plain_form() -> None:
    one = Segment(3, 1.5, 2.5, 1.4)
    assert Segment.of(one.plain()) == one


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _code(path: Path, limits: MediaLimits | None = None) -> str:
    with pytest.raises(MediaError) as caught:
        probe(path, limits or MediaLimits())
    return caught.value.code
