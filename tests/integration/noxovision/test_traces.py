"""One trace from the request to the receiver, as an OTLP collector gets it from every process on the way."""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.local import record
from infra.settings import Settings
from tests.integration.noxovision.calls import ended
from tests.integration.noxovision.test_webhook import Call, receiver

__all__ = ["receiver"]
PROCESSES = ("api", "streams", "inference", "deliveries")
WAY = {
    "POST /api/v0/request/video": "sightlog-api",
    "decide analysis.AnalysisRequested": "sightlog-streams",
    "StartTask": "sightlog-inference",
    "task split": "sightlog-inference",
    "task segment": "sightlog-inference",
    "decode": "sightlog-inference",
    "infer": "sightlog-inference",
    "CompleteTask": "sightlog-inference",
    "decide analysis.AnalysisFinished": "sightlog-streams",
    "decide webhooks.MessageQueued": "sightlog-streams",
    "deliver": "sightlog-deliveries",
    "decide webhooks.MessageDelivered": "sightlog-streams",
}


class Span:
    """A span as it came, and which process sent it."""

    def __init__(self, service: str, said: Any) -> None:
        self.service, self.name = service, said.name
        self.trace, self.id, self.parent = said.trace_id.hex(), said.span_id.hex(), said.parent_span_id.hex()


class Parent:
    """A caller with a trace of its own."""

    def __init__(self) -> None:
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)
        self.header = {"traceparent": f"00-{self.trace}-{self.span}-01"}


class Collector:
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
                outer.spans += [
                    Span(name_of(group), span)
                    for group in said.resource_spans
                    for scope in group.scope_spans
                    for span in scope.spans
                ]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def until(self, caller: Parent, names: set[str], seconds: float = 60) -> list[Span]:
        """The spans of the caller's trace, once all of these names are among them and nothing hangs in the air."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [span for span in self.spans if span.trace == caller.trace]
            known = {span.id for span in found} | {caller.span}
            missing = names - {span.name for span in found}
            loose = [span.name for span in found if span.parent not in known]
            if not missing and not loose:
                return found
            time.sleep(0.2)
        pytest.fail(f"not in the trace: {missing}; without their parent: {loose}")


def name_of(group: Any) -> str:
    return next(str(one.value.string_value) for one in group.resource.attributes if one.key == "service.name")


def restarted(settings: Settings) -> None:
    """Every process of ours anew, so that it reads its settings again."""
    before = record.read(settings.var)["processes"]
    for process in PROCESSES:
        os.kill(before[process], signal.SIGKILL)
    until = time.monotonic() + 200
    while time.monotonic() < until:
        now = record.read(settings.var)["processes"]
        if all(now.get(process) not in (None, before[process]) and ready(settings, process) for process in PROCESSES):
            return
        time.sleep(0.5)
    pytest.fail("the processes did not come back")


def ready(settings: Settings, process: str) -> bool:
    port = settings.api.port if process == "api" else getattr(settings.metrics, process)
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def collector(stack: dict[str, Any], settings: Settings) -> Iterator[Collector]:
    """The stack with tracing on; afterwards it is off again."""
    one, file = Collector(), Path(settings.var) / "local.json"
    before = json.loads(file.read_text())
    record.write_json(file, {**before, "tracing": {"endpoint": one.endpoint}})
    try:
        restarted(settings)
        yield one
    finally:
        record.write_json(file, before)
        restarted(settings)
        one.server.shutdown()


@pytest.mark.slow
def test_one_trace_from_the_request_to_the_receiver(
    acme: httpx.Client, collector: Collector, clip: bytes, receiver: tuple[str, queue.Queue[Call]]
) -> None:
    url, calls = receiver
    caller = Parent()
    answer = acme.post("/request/video", content=clip, headers={**caller.header, "X-Webhook-Url": url})
    assert answer.status_code == 202, answer.text
    assert ended(acme, answer.headers["location"])["status"] == "finished"
    called, _ = calls.get(timeout=30)
    assert called["traceparent"].split("-")[1] == caller.trace
    spans = collector.until(caller, set(WAY))
    assert {(span.name, span.service) for span in spans} >= set(WAY.items())
    tasks = {span.id for span in spans if span.name == "task segment"}
    assert len(tasks) == 2
    assert {span.parent for span in spans if span.name == "infer"} == tasks
    page = acme.get("/webhooks/deliveries", params={"job_id": answer.json()["job_id"]}).json()
    (delivery,) = page["data"]
    assert until_logged(acme, delivery["delivery_id"])["trace_id"] == caller.trace


@pytest.mark.slow
def test_what_a_timer_says_stays_in_the_trace(acme: httpx.Client, collector: Collector, long_clip: bytes) -> None:
    caller = Parent()
    answer = acme.post("/request/video", content=long_clip, headers={**caller.header, "Max-Processing-Time": "1"})
    assert ended(acme, answer.headers["location"])["status"] == "failed"
    collector.until(caller, {"decide analysis.AnalysisStarted", "decide analysis.AnalysisFailed"})


def until_logged(caller: httpx.Client, delivery: str) -> dict[str, Any]:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        if data := caller.get(f"/webhooks/deliveries/{delivery}/attempts").json()["data"]:
            found: dict[str, Any] = data[0]
            return found
        time.sleep(0.2)
    pytest.fail("the try is not in the log")
