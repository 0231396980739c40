"""The call at the end of a job: signed both ways, its body byte for byte what polling gives."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from standardwebhooks import Webhook

from tests.integration.noxovision.calls import ended, png

SECRET = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
Call = tuple[dict[str, str], bytes]


@pytest.fixture
def receiver() -> Iterator[tuple[str, queue.Queue[Call]]]:
    """An address, and what was sent there."""
    calls: queue.Queue[Call] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            calls.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", calls
        server.shutdown()


def test_a_batch_calls_back(acme: httpx.Client, receiver: tuple[str, queue.Queue[Call]]) -> None:
    url, calls = receiver
    webhook = {"url": url, "secret": SECRET, "headers": {"X-Own": "value"}}
    images = [{"external_id": "a", "data_base64": base64.b64encode(png("Dock 7")).decode()}, {"data_base64": "%"}]
    answer = acme.post("/request/images", json={"images": images, "webhook": webhook})
    assert answer.status_code == 202, answer.text
    job = ended(acme, answer.headers["location"])
    headers, body = calls.get(timeout=20)
    assert body == acme.get(answer.headers["location"]).content
    assert json.loads(body) == job
    assert Webhook(SECRET).verify(body, headers) == job
    assert headers["x-webhook-signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert (headers["x-webhook-event"], headers["x-webhook-job-id"]) == ("image_batch.finished", job["job_id"])
    assert headers["x-own"] == "value"
    assert "traceparent" not in headers
    (delivery,) = acme.get("/webhooks/deliveries", params={"job_id": job["job_id"]}).json()["data"]
    shown = acme.get(f"/jobs/{job['job_id']}")
    assert shown.json()["webhook_delivery_ids"] == [delivery["delivery_id"]]
    unchanged = acme.get(f"/jobs/{job['job_id']}", headers={"If-None-Match": shown.headers["etag"]})
    assert unchanged.status_code == 304


def test_a_failed_batch_calls_back_unsigned(acme: httpx.Client, receiver: tuple[str, queue.Queue[Call]]) -> None:
    url, calls = receiver
    images = [{"external_id": "a", "data_base64": base64.b64encode(b"no image").decode()}, {"data_base64": "%"}]
    answer = acme.post("/request/images", json={"images": images, "webhook": {"url": url}})
    ended(acme, answer.headers["location"])
    headers, body = calls.get(timeout=20)
    assert body == acme.get(answer.headers["location"]).content
    assert [item["error"]["code"] for item in json.loads(body)["items"]] == ["unsupported_media", "invalid_base64"]
    assert "x-webhook-signature" not in headers
    assert headers["x-webhook-event"] == "image_batch.failed"
