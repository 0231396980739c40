"""Ceilings, cancelling, erasing, listing, repeats, figures."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx

from tests.integration.noxovision.calls import ended, submit, until_status


def test_a_job_over_its_ceiling_fails_in_time(acme: httpx.Client, long_clip: bytes) -> None:
    location = submit(acme, long_clip, **{"Max-Processing-Time": "1"})
    job = ended(acme, location)
    assert (job["status"], job["error"]["code"]) == ("failed", "max_processing_time_exceeded")
    assert job["error"]["retryable"] is True
    late = datetime.now(UTC) - datetime.fromisoformat(job["started_at"]) - timedelta(seconds=1)
    assert late < timedelta(seconds=2)
    shown = acme.get(f"/jobs/{job['job_id']}").json()
    assert shown["max_processing_time_seconds"] == 1


def test_cancel(acme: httpx.Client, long_clip: bytes) -> None:
    location = submit(acme, long_clip)
    id = location.rsplit("/", 1)[1]
    until_status(acme, location, "processing")
    assert acme.delete(f"/jobs/{id}").status_code == 409
    answer = acme.post(f"/jobs/{id}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]["code"]) == (202, "failed", "cancelled")
    again = acme.post(f"/jobs/{id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "job.terminal")


def test_a_long_poll_is_answered_early(acme: httpx.Client, long_clip: bytes) -> None:
    location = submit(acme, long_clip)
    until_status(acme, location, "processing")
    tag = acme.get(location).headers["etag"]
    with httpx.Client(headers=acme.headers, timeout=60) as other:
        start = time.monotonic()
        unchanged = other.get(location, headers={"Prefer": "wait=1", "If-None-Match": tag})
        assert unchanged.status_code == 304
        assert time.monotonic() - start >= 0.9
    acme.post(f"/jobs/{location.rsplit('/', 1)[1]}/cancel")
    changed = acme.get(location, headers={"Prefer": "wait=30", "If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "failed")
    assert changed.headers["preference-applied"] == "wait=30"


def test_erase(acme: httpx.Client, clip: bytes) -> None:
    location = submit(acme, clip)
    assert ended(acme, location)["status"] == "finished"
    id = location.rsplit("/", 1)[1]
    assert acme.delete(f"/jobs/{id}").status_code == 204
    gone = acme.get(location)
    assert (gone.status_code, gone.json()["code"]) == (410, "erased")
    assert acme.delete(f"/jobs/{id}").status_code == 204
    assert acme.get(f"/jobs/{id}").json()["result_expires_at"] is None


def test_pages_hold_every_job_once(acme: httpx.Client, clip: bytes) -> None:
    made = [submit(acme, clip[:2000]).rsplit("/", 1)[1] for _ in range(3)]
    seen: list[str] = []
    cursor = None
    while len(seen) < 3:
        page = acme.get("/jobs", params={"limit": 1, "kind": "video", **({"cursor": cursor} if cursor else {})}).json()
        seen += [job["job_id"] for job in page["data"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]


def test_a_repeat_gets_the_first_answer(acme: httpx.Client, clip: bytes) -> None:
    key = {"Idempotency-Key": str(uuid4()), "Content-Type": "video/mp4"}
    first = acme.post("/request/video", content=clip[:3000], headers=key)
    again = acme.post("/request/video", content=clip[:3000], headers=key)
    assert (first.status_code, again.status_code, first.json()) == (202, 202, again.json())
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    for content, headers in ((clip[:4000], {}), (clip[:3000], {"Max-Processing-Time": "9"})):
        answer = acme.post("/request/video", content=content, headers={**key, **headers})
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    images = {"images": [{"data_base64": "%"}]}
    batch = [
        acme.post("/request/images", json=images, headers={"Idempotency-Key": key["Idempotency-Key"]}) for _ in "ab"
    ]
    assert batch[0].json() == batch[1].json() != first.json()


def test_figures_are_real(acme: httpx.Client) -> None:
    for kind, unit in (("video", "second"), ("image", "image")):
        said = acme.get("/status/latency", params={"media_type": kind}).json()
        assert (said["media_type"], said["unit"]) == (kind, unit)
        assert 0 < said["latency_ms_per_unit"] <= said["latency_p95_ms_per_unit"]
    assert 0 <= acme.get("/status/capacity").json()["used_system_capacity"] <= 1
