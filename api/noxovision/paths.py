"""Where each operation is. The true paths are not public: they go here, or beside these as aliases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from streams.analysis.envelope import RESULT_PATH

BASE = "/api/v0"
PATHS: dict[str, tuple[str, ...]] = {
    "submitVideo": ("/request/video",),
    "submitImages": ("/request/images",),
    "getVideoResult": (RESULT_PATH["video"],),
    "getImagesResult": (RESULT_PATH["images"],),
    "getLatency": ("/status/latency",),
    "getCapacity": ("/status/capacity",),
    "listJobs": ("/jobs",),
    "getJob": ("/jobs/{job_id}",),
    "cancelJob": ("/jobs/{job_id}/cancel",),
    "deleteJob": ("/jobs/{job_id}",),
    "createEndpoint": ("/webhooks/endpoints",),
    "listEndpoints": ("/webhooks/endpoints",),
    "getEndpoint": ("/webhooks/endpoints/{endpoint_id}",),
    "updateEndpoint": ("/webhooks/endpoints/{endpoint_id}",),
    "deleteEndpoint": ("/webhooks/endpoints/{endpoint_id}",),
    "rotateSecret": ("/webhooks/endpoints/{endpoint_id}/rotate-secret",),
    "testEndpoint": ("/webhooks/endpoints/{endpoint_id}/test",),
    "recoverEndpoint": ("/webhooks/endpoints/{endpoint_id}/recover",),
    "listDeliveries": ("/webhooks/deliveries",),
    "getDelivery": ("/webhooks/deliveries/{delivery_id}",),
    "listAttempts": ("/webhooks/deliveries/{delivery_id}/attempts",),
    "retryDelivery": ("/webhooks/deliveries/{delivery_id}/retry",),
    "cancelDelivery": ("/webhooks/deliveries/{delivery_id}/cancel",),
    "listEventTypes": ("/webhooks/event-types",),
    "listSourceIps": ("/webhooks/source-ips",),
    "listSigningKeys": ("/webhooks/signing-keys",),
    "listEvents": ("/events",),
    "healthz": ("/healthz",),
    "readyz": ("/readyz",),
}
"""Operation to path; those after the first are aliases and stay out of the document."""


def operation(
    router: APIRouter, method: str, id: str, **said: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a handler for the operation under its path and aliases."""
    first, *aliases = PATHS[id]

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        router.add_api_route(first, handler, methods=[method], operation_id=id, **said)
        for path in aliases:
            router.add_api_route(path, handler, methods=[method], include_in_schema=False, **said)
        return handler

    return register
