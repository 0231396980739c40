"""Whole films and images through `analyse`, with finders and readers written for the test."""

import io
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.analyse import AnalysisOptions, Models, analyse_image, analyse_segment, analyse_video, merging
from inference.analyses.text import Line
from inference.findings import SegmentFindings
from inference.found import Found
from inference.frames import probe, segments
from inference.images import opened, thumbnail
from inference.images import probe as probe_image
from inference.media import MediaError, MediaLimits, Stopped
from inference.merge import MergeOptions, merge
from inference.tensors import Picture

TAG = re.compile(r"^[a-z0-9_]{1,64}$")


@dataclass
class Ready:
    found: tuple[Found, ...]

    def result(self) -> tuple[Found, ...]:
        return self.found


class BrightFinder:
    """Sees a person wherever the picture is bright."""

    version = "bright-1"

    def submit(self, picture: Picture) -> Ready:
        bright = picture.pixels(8, 8, "grey").mean() > 128
        return Ready((Found("person", 0.9, 0.2, 0.2, 0.2, 0.5),) if bright else ())


class SignReader:
    version = "sign-1"

    def read(self, picture: Picture) -> tuple[Line, ...]:
        dark = picture.pixels(8, 8, "grey").mean() < 128
        return (Line("Closed for lunch", 0.9, 0.1, 0.1, 0.5, 0.1),) if dark else ()


MODELS = Models(BrightFinder(), SignReader())
QUICK = AnalysisOptions(find_fps=5, text_fps=2, segment_seconds=1.0, threads=1)
LONG = AnalysisOptions(find_fps=5, text_fps=2, segment_seconds=60.0, threads=1)


@pytest.fixture
def two_scenes(film: Callable[..., Path], shades: Callable[..., list[Any]]) -> Path:
    """Two seconds dark, three bright; a key frame every 0.7 s."""
    return film(shades([(0.2, 20), (0.8, 30)]), key=7)


def test_the_result_is_the_contract(two_scenes: Path) -> None:
    seen: list[float] = []
    result = analyse_video(two_scenes, MODELS, QUICK, seen.append)
    assert result["raw_scenes"] == [
        {"start_seconds": 0.0, "end_seconds": 2.0},
        {"start_seconds": 2.0, "end_seconds": 5.0},
    ]
    diffs = result["frame_activity_diffs"]
    assert len(diffs) == 9
    assert diffs[3] == pytest.approx(0.6, abs=0.02)
    assert sum(diffs) == pytest.approx(0.6, abs=0.03)
    assert result["ocr_results"] == [
        {
            "language_code": "en",
            "full_text": "Closed for lunch",
            "time_segment": {"start_seconds": 0.0, "end_seconds": 2.0},
        }
    ]
    (only,) = result["person_constellation_scenes"]
    assert only["time_segment"] == {"start_seconds": 2.0, "end_seconds": 5.0}
    assert [one["relative_prominence"] for one in only["person_ids"]] == [1.0]
    assert result["analysis"]["model_versions"] == {"objects": "bright-1", "text": "sign-1"}
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_sections_obey_the_contract(two_scenes: Path) -> None:
    result = analyse_video(two_scenes, MODELS, QUICK)
    assert {"person", "text", "still"} <= {one["section_tag"] for one in result["sections"]}
    for one in result["sections"]:
        assert TAG.match(one["section_tag"])
        assert 0 <= one["confidence"] <= 1
        assert 0 <= one["relative_activity"] <= 1
        spans = [(span["start_seconds"], span["end_seconds"]) for span in one["time_segments"]]
        assert spans == sorted(spans)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
        assert any(start <= one["thumbnail_timestamp"] < end for start, end in spans)


def test_the_split_does_not_show(two_scenes: Path) -> None:
    assert len(segments(two_scenes, target=1.0).segments) >= 3
    assert len(segments(two_scenes, target=60.0).segments) == 1
    assert analyse_video(two_scenes, MODELS, QUICK) == analyse_video(two_scenes, MODELS, LONG)


def test_findings_travel_as_plain_data_in_any_order(two_scenes: Path) -> None:
    cut = segments(two_scenes, target=1.0)
    stored = [json.dumps(analyse_segment(two_scenes, one, MODELS, QUICK).plain()) for one in cut.segments]
    findings = [SegmentFindings.of(json.loads(text)) for text in reversed(stored)]
    merged = merge(findings, probe(two_scenes), cut.duration, MODELS.versions(), merging(MODELS, QUICK))
    assert merged == analyse_video(two_scenes, MODELS, QUICK)


def test_without_models_there_are_scenes_and_sections(two_scenes: Path) -> None:
    result = analyse_video(two_scenes, Models(), QUICK)
    assert len(result["raw_scenes"]) == 2
    assert (result["ocr_results"], result["person_constellation_scenes"]) == ([], [])
    assert result["sections"]


def test_it_stops_when_told(two_scenes: Path) -> None:
    calls: list[int] = []

    def told() -> bool:
        calls.append(1)
        return len(calls) > 5

    with pytest.raises(Stopped):
        analyse_video(two_scenes, MODELS, QUICK, should_stop=told)
    assert len(calls) == 6


def test_one_frame_is_a_video(film: Callable[..., Path], shades: Callable[..., list[Any]]) -> None:
    result = analyse_video(film(shades([(0.8, 1)])), MODELS, QUICK)
    assert result["frame_activity_diffs"] == []
    assert len(result["raw_scenes"]) == 1


def test_boxes_are_thinned_out(two_scenes: Path) -> None:
    few = AnalysisOptions(find_fps=5, text_fps=2, threads=1, merging=MergeOptions(boxes=4))
    objects = analyse_video(two_scenes, MODELS, few)["analysis"]["objects"]
    assert sum(len(one["boxes"]) for one in objects) <= 4
    none = AnalysisOptions(find_fps=5, text_fps=2, threads=1, merging=MergeOptions(boxes=0))
    assert "objects" not in analyse_video(two_scenes, MODELS, none)["analysis"]


def encoded(format_: str, size: tuple[int, int] = (60, 40), mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, (200,) * len(mode) if len(mode) > 1 else 200).save(out, format_, **options)
    return out.getvalue()


def test_an_image_item() -> None:
    result = analyse_image(encoded("JPEG"), MODELS)
    (one,) = result["persons"]
    assert one["bounding_box"] == {"x": 0.2, "y": 0.2, "width": 0.2, "height": 0.5}
    assert (one["relative_prominence"], one["person_ref"]) == (1.0, "p1")
    assert result["sections"] == [{"section_tag": "person", "confidence": 0.9, "is_critical": False}]
    dark = analyse_image(encoded("PNG", mode="L"), Models(None, SignReader()))
    assert dark["ocr_results"] == []


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_images_by_content(name: str) -> None:
    info = probe_image(encoded(name))
    assert (info.format, info.width, info.height) == (name.lower(), 60, 40)
    assert opened(encoded(name)).bgr.shape == (40, 60, 3)


def test_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Acme"
    data = encoded("JPEG", exif=exif)
    info = probe_image(data)
    assert (info.width, info.height, info.exif["Make"]) == (40, 60, "Acme")
    assert opened(data).bgr.shape == (60, 40, 3)
    small = Image.open(io.BytesIO(thumbnail(data, 30)))
    assert (small.size, small.format, len(small.getexif())) == ((20, 30), "JPEG", 0)


def test_transparency_lies_on_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, "PNG")
    assert opened(out.getvalue()).bgr.min() == 255


@pytest.mark.parametrize(
    ("data", "limits", "code"),
    [
        (b"", MediaLimits(), "unsupported_media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", MediaLimits(), "unsupported_media"),
        (encoded("PNG"), MediaLimits(image_pixels=2399), "media_too_large"),
        (encoded("PNG"), MediaLimits(image_bytes=10), "item_too_large"),
        (encoded("JPEG", (400, 400))[:-700], MediaLimits(), "corrupt_media"),
        (encoded("PNG")[:60], MediaLimits(), "corrupt_media"),
    ],
)
def test_bad_images_are_named(data: bytes, limits: MediaLimits, code: str) -> None:
    with pytest.raises(MediaError) as caught:
        opened(data, limits)
    assert caught.value.code == code


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = encoded("PNG", (12_000, 12_000), mode="1")
    assert len(bomb) < 100_000
    with pytest.raises(MediaError, match="media_too_large"):
        opened(bomb)
    assert np.asarray(opened(encoded("PNG")).bgr).any()
