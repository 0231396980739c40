"""Tasks as a child process does them: files in, a file out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from inference import tasks
from inference.analyse import Models
from inference.media import MediaError, Stopped
from inference.pool import surroundings
from inference.tasks import Tools, perform
from inference.work import File, Work
from inference.worker import sources_of
from tests.unit.inference.conftest import Film, grey


class Textless(Tools):
    """Without the models of the reader, which take a while to load."""

    def models(self, wanted: object) -> Models:
        return Models()


@pytest.fixture
def tools() -> Textless:
    return Textless(threads=1)


def never() -> bool:
    return False


def pictures(seconds: int) -> list[NDArray[np.uint8]]:
    return [grey(0.2 if n < 5 * seconds else 0.8) for n in range(10 * seconds)]


def test_split_segments_and_merge_make_a_result(film: Film, tools: Textless, tmp_path: Path) -> None:
    path = film(pictures(4), key=10)
    split = perform(Work("s", "split", (File(str(path)),), (), ""), tools, never)
    assert split.spent.keys() == {"decode"}
    assert split.output["media"]["duration"] == pytest.approx(4.0)
    found = []
    for index, one in enumerate(split.output["segments"]):
        target = tmp_path / f"found-{index}"
        work = Work("g", "segment", (File(str(path)),), (), str(target), {"segment": one})
        assert perform(work, tools, never).units == pytest.approx(4.0)
        found.append(File(str(target)))
    given = {"media": split.output["media"], "segments": []}
    merged = perform(Work("m", "merge", tuple(found), (), str(tmp_path / "result"), given), tools, never)
    result = orjson.loads((tmp_path / "result").read_bytes())
    assert [scene["start_seconds"] for scene in result["raw_scenes"]] == [0, 2]
    assert (merged.stored, merged.units) == (True, 4.0)
    assert merged.output["bytes"] == (tmp_path / "result").stat().st_size


def test_items_are_joined_in_order(tools: Textless, tmp_path: Path) -> None:
    (tmp_path / "two").write_bytes(b'{"persons": []}')
    bad = {"code": "corrupt_media", "message": "", "retryable": False}
    items = [
        {"external_id": "a", "output": None, "error": bad},
        {"external_id": None, "output": {"key": "k"}, "error": None},
    ]
    work = Work("m", "merge", (File(str(tmp_path / "two")),), (), str(tmp_path / "out"), {"items": items})
    assert perform(work, tools, never).units == 2
    assert orjson.loads((tmp_path / "out").read_bytes()) == [
        {"index": 0, "external_id": "a", "status": "failed", "error": bad},
        {"index": 1, "external_id": None, "status": "finished", "result": {"persons": []}},
    ]


def test_bad_media_and_a_stop_are_said(film: Film, tools: Textless, tmp_path: Path) -> None:
    path = film(pictures(2))
    one = {"index": 0, "start": 0.0, "end": 2.0, "before": None}
    with pytest.raises(Stopped):
        perform(Work("g", "segment", (File(str(path)),), (), "", {"segment": one}), tools, lambda: True)
    (tmp_path / "text").write_text("no video")
    with pytest.raises(MediaError, match="unsupported_media"):
        perform(Work("s", "split", (File(str(tmp_path / "text")),), (), ""), tools, never)


def test_a_model_nobody_can_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"no model")
    assert Tools().finder(File(str(tmp_path / "model"), "0" * 64)) is None


def test_sources_of_a_task() -> None:
    assert sources_of({"key": "m", "segment": {}}) == ["m"]
    assert sources_of({"media": {}, "segments": [{"key": "a"}, {"key": "b"}]}) == ["a", "b"]
    assert sources_of({"items": [{"output": None}, {"output": {"key": "c"}}]}) == [None, "c"]


def test_children_know_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLOG_POSTGRES__SERVICE", "postgresql://x")
    assert not [name for name in surroundings() if name.startswith("SIGHTLOG_")]


def test_every_kind_is_known() -> None:
    assert set(tasks.PERFORM) == {"split", "segment", "image", "merge"}
