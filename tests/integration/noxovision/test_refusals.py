"""Bad input: the surface's own error, the field named, nothing written."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

VIDEO, IMAGES = "/request/video", "/request/images"
IMAGE = {"data_base64": "AAAA"}


def hook(**config: Any) -> dict[str, Any]:
    return {"images": [IMAGE], "webhook": config}


BAD: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    (VIDEO, {"content": b"no video", "headers": {"Content-Type": "video/mp4"}}, 415, "unsupported_media", "/video"),
    (VIDEO, {"content": b"", "headers": {"Content-Type": "video/mp4"}}, 415, "unsupported_media", "/video"),
    (VIDEO, {"content": b"{}", "headers": {"Content-Type": "application/json"}}, 415, "unsupported_media_type", None),
    (VIDEO, {"headers": {"Max-Processing-Time": "soon"}}, 400, "invalid_header", "Max-Processing-Time"),
    (VIDEO, {"headers": {"Max-Processing-Time": "-1"}}, 400, "invalid_header", "Max-Processing-Time"),
    (VIDEO, {"headers": {"Max-Processing-Time": "2147483648"}}, 400, "invalid_header", "Max-Processing-Time"),
    (
        VIDEO,
        {"headers": [("Max-Processing-Time", "1"), ("Max-Processing-Time", "2")]},
        400,
        "invalid_header",
        "Max-Processing-Time",
    ),
    (VIDEO, {"headers": {"Idempotency-Key": "k" * 256}}, 400, "invalid_header", "Idempotency-Key"),
    (VIDEO, {"headers": {"X-Webhook-Url": "ftp://x.example/"}}, 422, "invalid_webhook_url", "X-Webhook-Url"),
    (VIDEO, {"headers": {"X-Webhook-Url": "https://10.0.0.1/"}}, 422, "invalid_webhook_url", "X-Webhook-Url"),
    (VIDEO, {"headers": {"X-Webhook-Secret": "s"}}, 422, "missing", "X-Webhook-Url"),
    (VIDEO, {"headers": {"X-Model": "newest"}}, 400, "invalid_header", "X-Model"),
    (VIDEO, {"headers": {"X-Model": "01890000-0000-7000-8000-000000000000"}}, 422, "unknown_model", "X-Model"),
    (VIDEO, {"files": {"movie": b"x"}}, 422, "missing", "/video"),
    (VIDEO, {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "malformed_body", None),
    (IMAGES, {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "malformed_json", ""),
    (IMAGES, {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type", None),
    (IMAGES, {"json": {}}, 422, "invalid_request", "/images"),
    (IMAGES, {"json": {"images": []}}, 422, "invalid_request", "/images"),
    (IMAGES, {"json": {"images": [IMAGE] * 65}}, 422, "invalid_request", "/images"),
    (IMAGES, {"json": {"images": [{"data_base64": 7}]}}, 422, "invalid_request", "/images/0/data_base64"),
    (IMAGES, {"json": {"images": [{**IMAGE, "external_id": ""}]}}, 422, "invalid_request", "/images/0/external_id"),
    (
        IMAGES,
        {"json": {"images": [IMAGE, {**IMAGE, "external_id": "a\0b"}]}},
        422,
        "invalid_request",
        "/images/1/external_id",
    ),
    (IMAGES, {"json": hook()}, 422, "invalid_request", "/webhook/url"),
    (IMAGES, {"json": hook(url="http://hooks.example.com/")}, 422, "invalid_webhook_url", "/webhook/url"),
    (IMAGES, {"json": hook(url="https://x.example/", secret="")}, 422, "invalid_request", "/webhook/secret"),
    (IMAGES, {"json": hook(url="https://x.example/", payload="all")}, 422, "invalid_request", "/webhook/payload"),
    (
        IMAGES,
        {"json": hook(url="https://x.example/", headers={"Host": "a"})},
        422,
        "invalid_webhook_header",
        "/webhook/headers/Host",
    ),
]


@pytest.mark.parametrize(("path", "request_", "status", "code", "pointer"), BAD)
def test_bad_input_names_the_field_and_writes_nothing(
    acme: httpx.Client, path: str, request_: dict[str, Any], status: int, code: str, pointer: str | None
) -> None:
    before = acme.get("/jobs", params={"limit": 1}).json()["data"]
    answer = acme.post(path, **request_)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["instance"]) == (status, code, f"/api/v0{path}")
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert [fault["pointer"] for fault in problem.get("errors", [])][:1] == ([pointer] if pointer is not None else [])
    assert acme.get("/jobs", params={"limit": 1}).json()["data"] == before


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "nvk_" + "0" * 40}, {"Authorization": "Bearer sk_live_x"}])
def test_without_a_key(anybody: httpx.Client, headers: dict[str, str]) -> None:
    for path in ("/status/capacity", "/jobs", "/results/video/video_1"):
        answer = anybody.get(path, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "ApiKey")


def test_a_bearer_key_is_a_key(anybody: httpx.Client, acme: httpx.Client) -> None:
    key = acme.headers["x-api-key"]
    assert anybody.get("/status/capacity", headers={"Authorization": f"Bearer {key}"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/status/latency", 422, "invalid_request"),
        ("/status/latency?media_type=sound", 422, "invalid_request"),
        ("/results/video/video_12345", 404, "unknown_job"),
        ("/jobs?cursor=x", 400, "invalid_cursor"),
        ("/jobs?limit=251", 422, "invalid_request"),
        ("/jobs?status=done", 422, "invalid_request"),
        ("/nothing", 404, "not_found"),
        ("/request/video", 405, "method_not_allowed"),
    ],
)
def test_bad_reads(acme: httpx.Client, path: str, status: int, code: str) -> None:
    answer = acme.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_that_says_it_is_too_large_is_not_read(acme: httpx.Client, stack: dict[str, Any]) -> None:
    door = http.client.HTTPConnection(urlsplit(stack["api"]).netloc, timeout=10)
    door.putrequest("POST", f"/api/v0{VIDEO}")
    door.putheader("X-API-Key", acme.headers["x-api-key"])
    door.putheader("Content-Length", str(3 << 30))
    door.endheaders()
    answer = door.getresponse()
    assert (answer.status, json.load(answer)["code"]) == (413, "body_too_large")


def test_a_wait_that_is_none(acme: httpx.Client) -> None:
    answer = acme.get("/results/video/video_1", headers={"Prefer": "wait=long"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_header")
