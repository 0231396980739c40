"""Batches of images: order kept, each bad image its own error."""

from __future__ import annotations

import base64

import httpx

from api.noxovision.wire import ImagesJob
from tests.integration.noxovision.calls import ended, png


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_good_and_bad_images_in_one_batch(acme: httpx.Client) -> None:
    images = [
        {"external_id": "first", "data_base64": base64.encodebytes(png("Exit")).decode().rstrip("=\n")},
        {"external_id": "prefixed", "data_base64": f"data:image/png;base64,{coded(png('no'))}"},
        {"data_base64": coded(png("cut off")[:900])},
        {"external_id": "first", "data_base64": coded(b"what is this")},
        {"external_id": "last", "data_base64": coded(png("Dock 7"))},
    ]
    answer = acme.post("/request/images", json={"images": images, "unknown": 1})
    assert answer.status_code == 202, answer.text
    assert answer.json()["job_id"].startswith("image_batch_")
    job = ImagesJob.model_validate(ended(acme, answer.headers["location"]))
    assert job.status == "finished"
    assert job.items is not None
    assert [item.index for item in job.items] == list(range(5))
    assert [item.external_id for item in job.items] == ["first", "prefixed", None, "first", "last"]
    codes = [item.error.code if item.error else None for item in job.items]
    assert codes == [None, "invalid_base64", "corrupt_media", "unsupported_media", None]
    texts = [item.result.ocr_results[0].full_text for item in job.items if item.result]
    assert texts == ["Exit", "Dock 7"]


def test_a_batch_without_one_good_image_fails(acme: httpx.Client) -> None:
    answer = acme.post("/request/images", json={"images": [{"data_base64": "%%%"}]})
    assert answer.status_code == 202
    job = ended(acme, answer.headers["location"])
    assert (job["status"], job["error"]["code"]) == ("failed", "all_items_failed")
    assert job["started_at"] is None
    assert [(item["index"], item["status"], item["error"]["code"]) for item in job["items"]] == [
        (0, "failed", "invalid_base64")
    ]
