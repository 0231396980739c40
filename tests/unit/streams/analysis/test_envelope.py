"""The envelope: ids as shown, members in order, stored bytes put in unchanged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest

from schemas.analysis.messages import AnalysisFailed, AnalysisFinished, Item
from schemas.ids import new_id
from streams.analysis.envelope import (
    PREFIX,
    Head,
    JobError,
    envelope,
    id_of,
    instant,
    job_id,
    result_url,
    terminal_envelope,
    thin,
)

AT = datetime(2026, 11, 20, 12, 0, 0, 123456, UTC)
ID = "01890000-0000-7000-8000-000000000000"
BAD = JobError("corrupt_media", "no", False)


@pytest.mark.parametrize("kind", PREFIX)
def test_ids_go_both_ways(kind: str) -> None:
    id = new_id()
    assert id_of(kind, job_id(kind, id)) == id
    assert [id_of(other, job_id(kind, id)) for other in PREFIX if other != kind] == [None]


@pytest.mark.parametrize("shown", ["", "video_", "video_12345", "video_" + "G" * 32, "video_" + "A" * 32, "x" * 64])
def test_what_is_no_id(shown: str) -> None:
    assert id_of("video", shown) is None


def test_instants_are_utc_with_milliseconds() -> None:
    assert instant(AT.astimezone(timezone(timedelta(hours=2)))) == "2026-11-20T12:00:00.123Z"
    assert instant(None) is None


def test_stored_bytes_go_in_as_they_are() -> None:
    body = envelope(Head("video", ID, "finished", AT, AT, AT), payload=b'{"a": 1.50}')
    assert b'"result":{"a": 1.50}' in body
    assert list(orjson.loads(body)) == ["job_id", "status", "result", "created_at", "started_at", "finished_at"]


def test_a_finished_job() -> None:
    event = AnalysisFinished(
        kind="images", created_at=AT, started_at=AT, finished_at=AT, result_key="k", result_bytes=2, result_sha256=""
    )
    said = orjson.loads(terminal_envelope(event, ID, b"[]"))
    assert (said["status"], said["items"], said["job_id"]) == ("finished", [], job_id("images", ID))


def test_a_failed_batch_names_each_item() -> None:
    items = (Item(key="k", external_id="a"), Item(code="invalid_base64", message="x"))
    event = AnalysisFailed(
        kind="images",
        created_at=AT,
        started_at=AT,
        finished_at=AT,
        code=BAD.code,
        message=BAD.message,
        retryable=BAD.retryable,
        items=items,
    )
    said = orjson.loads(terminal_envelope(event, ID))
    assert [(item["external_id"], item["error"]["code"]) for item in said["items"]] == [
        ("a", "corrupt_media"),
        (None, "invalid_base64"),
    ]
    assert said["error"] == {"code": "corrupt_media", "message": "no", "retryable": False}


def test_thin_says_where() -> None:
    url = result_url("https://x.example/api/v0/", "video", ID)
    assert url == f"https://x.example/api/v0/results/video/{job_id('video', ID)}"
    assert thin(Head("video", ID, "failed", AT), url)["result_url"] == url
