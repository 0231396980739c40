"""What the OpenAPI document says beside the bodies: headers, media types, problems. Data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from api.noxovision.problems import TITLES
from api.noxovision.wire import ProblemDocument, WebhookConfig

REF = "#/components/schemas/{model}"


def header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


MAX_PROCESSING_TIME = header(
    "Max-Processing-Time", "Ceiling for server-side processing in seconds; 0 removes it.", type="integer", minimum=0
)
IDEMPOTENCY_KEY = header("Idempotency-Key", "Makes a repeat safe for 24 h.", type="string", minLength=1, maxLength=255)
WEBHOOK_URL = header("X-Webhook-Url", "Receiver for raw video bodies.", type="string", format="uri", maxLength=2048)
WEBHOOK_SECRET = header("X-Webhook-Secret", "Secret for raw video bodies.", type="string", minLength=1, maxLength=512)
MODELS = header(
    "X-Model", "Ids of the models to use, separated by commas; the newest that fits without it.", type="string"
)
PREFER = header(
    "Prefer",
    "wait=N asks for a long poll, at most 60 s.",
    type="string",
    pattern="^(respond-async, ?)?wait=[0-9]{1,2}$",
)
IF_NONE_MATCH = header("If-None-Match", "Tag of the last answer.", type="string")
POLLING = {"parameters": [PREFER, IF_NONE_MATCH]}
SUBMITTING_VIDEO = {
    "parameters": [MAX_PROCESSING_TIME, IDEMPOTENCY_KEY, WEBHOOK_URL, WEBHOOK_SECRET, MODELS],
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {}},
            "video/*": {"schema": {}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "video": {"type": "string", "contentMediaType": "application/octet-stream"},
                        "webhook": WebhookConfig.model_json_schema(ref_template=REF),
                    },
                    "required": ["video"],
                },
                "encoding": {
                    "video": {"contentType": "application/octet-stream, video/*"},
                    "webhook": {"contentType": "application/json"},
                },
            },
        },
    },
}


def submitting_images(body: type[BaseModel]) -> dict[str, Any]:
    schema = body.model_json_schema(ref_template=REF)
    return {
        "parameters": [MAX_PROCESSING_TIME, IDEMPOTENCY_KEY, MODELS],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


def said(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": schema}


SUBMIT_HEADERS = {
    "Location": {"required": True, **said("Where to poll.", type="string", format="uri")},
    "Retry-After": said("Seconds to wait.", type="integer", minimum=0),
    "RateLimit": said("Remaining quota, list syntax.", type="string"),
    "RateLimit-Policy": said("Quota policy, list syntax.", type="string"),
    "Idempotent-Replayed": said("true on a stored answer.", type="boolean"),
}
POLL_HEADERS = {
    "ETag": said("Tag over state and result.", type="string"),
    "Retry-After": said("Seconds to wait.", type="integer", minimum=0),
    "Preference-Applied": said("Preference that was used.", type="string"),
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem answers of an operation; 401, 403, 429, 503 and 500 may come from any."""
    content = {
        "application/problem+json": {"schema": ProblemDocument.model_json_schema(by_alias=True, ref_template=REF)}
    }
    return {
        status: {"description": TITLES[status], "content": content} for status in (*statuses, 401, 403, 429, 500, 503)
    }


def polled(model: Any, description: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers of an operation that can be polled."""
    return {
        200: {"model": model, "description": description, "headers": POLL_HEADERS},
        304: {"description": "Unchanged", "headers": POLL_HEADERS},
        **problems(400, 404, *statuses),
    }


def hoist(said: dict[str, Any]) -> None:
    """Types nested in bodies and problems stand with the other types."""
    types = said.setdefault("components", {}).setdefault("schemas", {})
    for operation in (one for item in said["paths"].values() for one in item.values()):
        for schema in schemas(operation):
            types.update(schema.pop("$defs", {}))


def schemas(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from (media["schema"] for media in part.get("content", {}).values() if "schema" in media)
