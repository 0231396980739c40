"""The main job's analysis on real media with a real model."""

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from inference.analyse import AnalysisOptions, Models, analyse_image, analyse_video
from inference.analyses.text import PaddleReader
from inference.check import Checked, check_model
from inference.detector import Detector
from inference.engine import Engine
from inference.frames import probe, segments
from inference.images import opened
from inference.media import Stopped
from infra import assets, reel

OPTIONS = AnalysisOptions(threads=2)


@pytest.fixture(scope="module")
def result(real: assets.Assets, detector: Detector, reader: PaddleReader) -> dict[str, Any]:
    return analyse_video(real.reel, Models(detector, reader), OPTIONS)


def test_a_second_fetch_says_nothing(real: assets.Assets) -> None:
    said: list[str] = []
    assert assets.fetch(say=said.append) == real
    assert said == []


def test_the_street(real: assets.Assets) -> None:
    media = probe(real.video)
    assert (media.width, media.height, media.fps, media.duration) == (768, 576, 10.0, 79.5)
    assert len(segments(real.video).segments) == 4


def test_the_cuts_of_the_reel(result: dict[str, Any]) -> None:
    starts = [scene["start_seconds"] for scene in result["raw_scenes"]]
    for cut in (0.0, 3.0, 15.0, 16.2, 18.04, 20.48, 22.48, 25.0, 28.0):
        assert min(abs(start - cut) for start in starts) <= 0.05, cut
    assert len(starts) <= 11
    assert result["raw_scenes"][-1]["end_seconds"] == pytest.approx(33.0, abs=0.05)


def test_the_text_of_the_reel(result: dict[str, Any]) -> None:
    texts = {text["full_text"]: text["time_segment"] for text in result["ocr_results"]}
    for lines in reel.CARDS:
        assert "\n".join(lines) in texts
    assert texts[reel.CAPTION]["start_seconds"] <= 4.1
    assert all(text["language_code"] == "en" for text in result["ocr_results"] if len(text["full_text"]) > 10)


def test_the_persons_of_the_reel(result: dict[str, Any]) -> None:
    street = [one for one in result["person_constellation_scenes"] if one["time_segment"]["start_seconds"] < 15]
    assert max(len(one["person_ids"]) for one in street) >= 4
    for one in result["person_constellation_scenes"]:
        assert sum(person["relative_prominence"] for person in one["person_ids"]) == pytest.approx(1)
    assert {"person", "text", "motion", "still"} <= {one["section_tag"] for one in result["sections"]}


def test_the_activity_of_the_reel(result: dict[str, Any]) -> None:
    diffs = result["frame_activity_diffs"]
    assert len(diffs) == 65
    assert max(diffs[:4]) < 0.01 < diffs[8]
    assert diffs[5] > 0.1


@pytest.mark.parametrize(("name", "persons"), [("standing", 1), ("portrait", 1), ("three", 3), ("four", 4)])
def test_persons_on_photos(real: assets.Assets, detector: Detector, name: str, persons: int) -> None:
    path = next(path for path in real.images if path.stem == name)
    found = analyse_image(path.read_bytes(), Models(detector))
    assert len(found["persons"]) == persons


@pytest.mark.parametrize(("name", "faces"), [("portrait", 1), ("seated", 1), ("four", 4)])
def test_faces_on_photos(real: assets.Assets, engine: Engine, name: str, faces: int) -> None:
    data = real.face_model.read_bytes()
    model = Detector.load(engine, hashlib.sha256(data).hexdigest(), lambda: data)
    path = next(path for path in real.images if path.stem == name)
    found = model.find(opened(path.read_bytes()))
    assert [one.label for one in found if one.score > 0.5] == ["face"] * faces


def test_the_model_passes_the_check(real: assets.Assets) -> None:
    found = check_model(real.model)
    assert isinstance(found, Checked)
    assert (found.head, found.labels[0], len(found.labels), found.opset) == ("nanodet", "person", 80, 17)
    assert found.digest == assets.digest(real.model)


def test_a_film_is_no_model(real: assets.Assets) -> None:
    assert not isinstance(check_model(real.video), Checked)


def test_cancelled_within_a_second(real: assets.Assets, detector: Detector, reader: PaddleReader) -> None:
    told, ended = threading.Event(), list[float]()

    def work(path: Path) -> None:
        with pytest.raises(Stopped):
            analyse_video(path, Models(detector, reader), OPTIONS, should_stop=told.is_set)
        ended.append(time.monotonic())

    thread = threading.Thread(target=work, args=(real.video,))
    thread.start()
    time.sleep(1.5)
    asked = time.monotonic()
    told.set()
    thread.join(timeout=10)
    assert ended[0] - asked < 1.0
