"""A video from submit to result, and what the result's address answers on the way."""

from __future__ import annotations

import json

import httpx

from api.noxovision.wire import VideoJob
from tests.integration.noxovision.calls import ended, submit

Part = tuple[str, tuple[str | None, bytes, str]]


def test_a_raw_body_ends_finished(acme: httpx.Client, clip: bytes) -> None:
    answer = acme.post("/request/video", content=clip)
    assert answer.status_code == 202
    assert answer.headers["ratelimit-policy"].startswith('"submit";q=')
    location = answer.headers["location"]
    assert location.startswith("http")
    assert location.endswith(f"/api/v0/results/video/{answer.json()['job_id']}")

    job = VideoJob.model_validate(ended(acme, location))
    assert (job.status, job.error, job.job_id) == ("finished", None, answer.json()["job_id"])
    assert job.created_at is not None
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at
    result = job.result
    assert result is not None
    assert [round(scene.start_seconds) for scene in result.raw_scenes] == [0, 9, 18]
    assert len(result.frame_activity_diffs) == 27 * 2 - 1
    assert {text.full_text for text in result.ocr_results} >= {"Gate 1 open", "Gate 2 open", "Gate 3 open"}
    assert result.analysis["duration_seconds"] == 27


def test_a_multipart_body_in_either_order(acme: httpx.Client, clip: bytes) -> None:
    config = json.dumps({"url": "http://127.0.0.1:9/nowhere"}).encode()
    webhook: Part = ("webhook", (None, config, "application/json"))
    video: Part = ("video", ("clip.mp4", clip, "video/mp4"))
    for files in ([webhook, video], [video, webhook], [video]):
        answer = acme.post("/request/video", files=files)
        assert answer.status_code == 202, answer.text
        assert acme.post(f"/jobs/{answer.json()['job_id']}/cancel").status_code == 202


def test_an_unchanged_job_is_not_sent_again(acme: httpx.Client, clip: bytes) -> None:
    location = submit(acme, clip[:2000])
    ended(acme, location)
    first = acme.get(location)
    again = acme.get(location, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert acme.get(location, headers={"If-None-Match": '"another"'}).status_code == 200
    waited = acme.get(location, headers={"If-None-Match": first.headers["etag"], "Prefer": "wait=1"})
    assert (waited.status_code, waited.headers["preference-applied"]) == (304, "wait=1")


def test_a_video_cut_off_in_its_header_is_corrupt(acme: httpx.Client, clip: bytes) -> None:
    job = ended(acme, submit(acme, clip[:2000]))
    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", "corrupt_media", False)
    assert "result" not in job


def test_another_organisation_sees_nothing_of_it(acme: httpx.Client, globex: httpx.Client, clip: bytes) -> None:
    location = submit(acme, clip[:2000])
    id = location.rsplit("/", 1)[1]
    nothing = f"video_{'0' * 32}"
    for path in ("/results/video/{}", "/jobs/{}"):
        theirs, random = globex.get(path.format(id)), globex.get(path.format(nothing))
        assert theirs.status_code == random.status_code == 404
        assert without(theirs, id) == without(random, nothing)
    assert globex.post(f"/jobs/{id}/cancel").status_code == 404
    assert globex.delete(f"/jobs/{id}").status_code == 404
    assert id not in globex.get("/jobs", params={"limit": 250}).text
    assert acme.get(f"/results/images/image_batch_{id.removeprefix('video_')}").status_code == 404
    assert acme.get(f"/jobs/image_batch_{id.removeprefix('video_')}").status_code == 404


def without(answer: httpx.Response, id: str) -> str:
    return answer.text.replace(id, "").replace(answer.json()["request_id"], "")
