"""Pictures from plain results."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from infra import pictures


@pytest.fixture
def result() -> dict[str, Any]:
    segment = {"start_seconds": 0.0, "end_seconds": 1.0}
    return {
        "raw_scenes": [segment, {"start_seconds": 1.0, "end_seconds": 3.0}],
        "frame_activity_diffs": [0.1, 0.4, 0.0, 0.2, 0.1],
        "person_constellation_scenes": [],
        "ocr_results": [{"language_code": "en", "full_text": "Lobby\nEast", "time_segment": segment}],
        "sections": [
            {
                "section_tag": "person",
                "time_segments": [segment],
                "thumbnail_timestamp": 0.5,
                "confidence": 0.9,
                "is_critical": False,
                "relative_activity": 1.0,
            }
        ],
        "analysis": {
            "duration_seconds": 3.0,
            "sample_fps": 2.0,
            "width": 96,
            "height": 64,
            "model_versions": {},
            "objects": [{"ref": "p1", "label": "person", "score": 0.8, "boxes": [[0.5, 0.1, 0.1, 0.3, 0.6]]}],
        },
    }


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = 96, 64, "yuv420p", 1
        for number in range(15):
            pixels = np.full((64, 96, 3), 10 * number, np.uint8)
            container.mux(stream.encode(VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_moments_spread_over_all_scenes(result: dict[str, Any]) -> None:
    times = pictures.moments(result, 6)
    assert times == sorted(times)
    assert len(times) == 6
    assert sum(at < 1 for at in times) == 2


def test_the_frame_shown_at_a_time(clip: Path) -> None:
    frames = pictures.frames_at(clip, [0.0, 0.5, 1.41, 99.0])
    levels = [np.asarray(picture).mean() for _, picture in frames]
    assert levels == pytest.approx([0, 20, 70, 140], abs=6)


def test_pictures_are_written(result: dict[str, Any], clip: Path, tmp_path: Path) -> None:
    sheet = pictures.contact_sheet(clip, result, tmp_path / "out" / "sheet.png", columns=3, rows=2)
    line = pictures.timeline(result, tmp_path / "out" / "line.png")
    series = [pictures.Series("Temperature", "°C", [0, 1, 2], [1.0, None, 2.0])]
    plot = pictures.readings(series, tmp_path / "out" / "plot.png")
    for path in (sheet, line, plot):
        with Image.open(path) as picture:
            assert min(picture.size) > 150
            assert len(picture.convert("L").getcolors() or range(300)) > 20


def test_boxes_near_the_time() -> None:
    boxes = [[1.0, 0, 0, 1, 1], [2.0, 0.5, 0, 1, 1]]
    assert pictures.box_at(boxes, 1.9) == boxes[1]
    assert pictures.box_at(boxes, 9.0) is None
