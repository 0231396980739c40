"""JSON Schemas of the device messages (contract, 7.4). Pure."""

from __future__ import annotations

from typing import Any

DRAFT = "https://json-schema.org/draft/2020-12/schema"
TIME = {"type": "string", "format": "date-time"}
TEXT, OBJECT, WHOLE, NUMBER = {"type": "string"}, {"type": "object"}, {"type": "integer"}, {"type": "number"}
COUNT = {"type": "integer", "minimum": 0}
VALUE = {"type": ["number", "boolean", "string"], "maxLength": 1000}
ELEMENTS = {"type": "array", "items": VALUE}
CONNECTIONS = ["WIFI", "ETHERNET", "CELLULAR", "LORAWAN", "THREAD", "OTHER"]


def message(title: str, required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    """Members that a reader does not know are left alone (7.6)."""
    return {"$schema": DRAFT, "title": title, "type": "object", "required": required, "properties": properties}


REPORTED: dict[str, Any] = {
    "type": "object",
    "required": ["artefactName", "version", "hash", "status"],
    "properties": {
        "artefactName": TEXT,
        "componentKey": TEXT,
        "version": WHOLE,
        "hash": TEXT,
        "status": {"enum": ["PENDING", "IN_PROGRESS", "ACCEPTED", "REJECTED", "FAILED"]},
        "message": TEXT,
    },
}
DESIRED: dict[str, Any] = {
    "type": "object",
    "required": ["artefactName", "configArtefactId", "version", "hash", "contentType", "bindingId", "wonBy"],
    "properties": {
        "artefactName": TEXT,
        "configArtefactId": TEXT,
        "version": WHOLE,
        "hash": TEXT,
        "componentKey": TEXT,
        "contentType": TEXT,
        "content": {},
        "downloadUrl": {"type": "string", "format": "uri"},
        "bindingId": TEXT,
        "wonBy": {"enum": ["COMPONENT", "DEVICE", "DEVICE_GROUP", "DEVICE_PROFILE", "SENSOR_PROFILE"]},
    },
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "reading": message(
        "ReadingMessage",
        ["sensorId", "timestamp", "value"],
        sensorId={"type": "string", "minLength": 1, "maxLength": 36},
        timestamp=TIME,
        value=VALUE,
        metadata=OBJECT,
    ),
    "structured-reading": message(
        "StructuredReadingMessage",
        ["componentKey", "timestamp", "values"],
        componentKey=TEXT,
        profileVersion={"type": "string", "pattern": r"^\d+\.\d+$"},
        timestamp=TIME,
        values={"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [VALUE, ELEMENTS]}},
        metadata=OBJECT,
    ),
    "command": message(
        "CommandMessage", ["id", "method", "params", "timestamp"], id=TEXT, method=TEXT, params=OBJECT, timestamp=TIME
    ),
    "command-response": message(
        "CommandResponseMessage",
        ["id", "status"],
        id=TEXT,
        status={"enum": ["ACKNOWLEDGED", "SUCCESS", "FAILED"]},
        result={},
        timestamp=TIME,
    ),
    "health": message(
        "HealthMessage",
        [],
        timestamp=TIME,
        uptimeSeconds=COUNT,
        freeHeapBytes=COUNT,
        signalStrengthDbm=WHOLE,
        connectionType={"enum": CONNECTIONS},
        readingsSent=COUNT,
        readingsDropped=COUNT,
        batteryPercent={"type": "number", "minimum": 0, "maximum": 100},
        ipAddress=TEXT,
        firmwareVersion=TEXT,
        cameras={"type": "array", "items": {"type": "object", "properties": {"cameraId": TEXT, "status": TEXT}}},
    ),
    "status": message("StatusMessage", ["status"], status={"enum": ["ONLINE", "OFFLINE"]}, timestamp=TIME),
    "config-reported": message(
        "ConfigReportedMessage",
        ["entries", "timestamp"],
        revision=WHOLE,
        entries={"type": "array", "items": REPORTED},
        timestamp=TIME,
    ),
    "config-desired": message(
        "ConfigDesiredMessage",
        ["revision", "entries", "timestamp"],
        revision=WHOLE,
        entries={"type": "array", "items": DESIRED},
        timestamp=TIME,
    ),
}
