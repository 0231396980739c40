"""Bodies as AcuSight writes them, and how they map onto ours (contract 5 to 7)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.acusight.body import Body, Free, Name, Number, Some, Text
from infra.postgres import Row
from schemas.ids import number_of

APPROVED = ("ACTIVE", "INACTIVE", "MAINTENANCE", "OFFLINE")
"""Words of the fleet that mean an admitted device."""
STATUSES = {"pending": ("PENDING",), "approved": APPROVED, "rejected": ("REJECTED",)}


DeviceStatus = Literal["pending", "approved", "rejected"]


class TokenCreate(Body):
    name: Name
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = 30
    single_use: bool = False


class Token(BaseModel):
    id: UUID
    name: str
    single_use: bool
    use_count: int
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokenCreated(BaseModel):
    id: UUID
    name: str
    token: str
    single_use: bool
    created_at: datetime
    expires_at: datetime | None
    setup_command: str


class TokenRevoked(BaseModel):
    id: UUID
    revoked_at: datetime


def token(row: Row) -> dict[str, Any]:
    same = ("id", "name", "single_use", "use_count", "created_at", "expires_at", "last_used_at")
    return {name: row[name] for name in same} | {"revoked_at": row["revoked_at"] or row["spent_at"]}


class DeviceInfo(Body):
    device_id: Name
    name: Name | None = None
    ip_address: Text | None = None
    hardware_version: Text | None = None
    hardware_id: Text | None = None
    agent_version: Text | None = None


class Provision(Body):
    token: Text
    device_info: DeviceInfo


class Provisioned(BaseModel):
    device_id: str
    endpoint_id: str
    api_key: str
    api_endpoint: str


class DeviceSelf(BaseModel):
    device_id: str
    endpoint_id: str
    organization_id: UUID
    status: DeviceStatus
    name: str


class ActionReport(Body):
    status: Literal["in_progress", "completed", "failed"]
    message: Text | None = None


class ActionResult(ActionReport):
    id: Number


class CheckIn(Body):
    status: Text | None = None
    metrics: Free | None = None
    action_results: tuple[ActionResult, ...] = ()


class AgentRequest(Body):
    type: Text
    payload: Free | None = None


class AgentCheckIn(Body):
    device_id: Text
    current_model_id: Text | None = None
    ip_address: Text | None = None
    status: Text | None = None
    pending_requests: tuple[AgentRequest, ...] = ()


ActionStatus = Literal["pending", "delivered", "in_progress", "completed", "failed", "cancelled", "expired"]
ActionType = Literal["deploy_model", "deploy", "remove_model", "update_config", "restart_agent", "capture_image"]


class DeviceActionCreate(Body):
    type: ActionType
    model_version_id: Number | None = None
    export_job_id: Number | None = None
    payload: Free = Field(default_factory=dict)


class DeviceAction(BaseModel):
    """Members of a model are there when the action is about one; the link is for the device. What another dialect
    ordered keeps its type there."""

    id: int
    type: str
    status: ActionStatus
    device_id: str
    model_id: str = ""
    model_name: str = ""
    version: str = ""
    download_url: str = ""
    file_ext: str = ""
    label_map: str = ""
    sha256: str = ""
    payload: dict[str, Any]
    message: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


def action(row: Row, link: str | None = None) -> dict[str, Any]:
    same = ("type", "status", "device_id", "payload", "message", "created_at", "updated_at", "completed_at")
    shown = {"id": row["number"]} | {name: row[name] for name in same}
    if file := row["artefact"]:
        shown |= {"model_id": file["id"], "model_name": file["name"]}
        shown |= {name: file[name] for name in ("version", "file_ext", "label_map", "sha256")}
    return shown if link is None else shown | {"download_url": link}


class Actions(BaseModel):
    actions: list[DeviceAction]


class AgentActions(BaseModel):
    success: bool
    pending_actions: list[DeviceAction]


class Uploaded(BaseModel):
    image_id: int | None
    batch_id: int | None
    storage_key: str | None
    accepted: bool
    reason: Literal["similar_frame"] | None


class Device(BaseModel):
    device_id: str
    endpoint_id: str
    name: str
    organization_id: UUID
    status: DeviceStatus
    ip_address: str | None
    hardware_version: str | None
    agent_version: str | None
    health_status: str | None
    metrics: dict[str, Any]
    online: bool
    last_seen_at: datetime | None
    current_model_id: str | None
    auto_assign_project_id: int | None
    portainer_endpoint_id: int | None
    is_virtual: bool
    config: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class DeviceUpdate(Some):
    name: Name = ""
    auto_assign_project_id: Number | None = None
    status: DeviceStatus = "approved"
    portainer_endpoint_id: Number | None = None
    config: Free = Field(default_factory=dict)


class KeyRotated(BaseModel):
    device_id: str
    api_key: str


class Deleted(BaseModel):
    id: int | str
    deleted: bool


def device_id(row: Row) -> str:
    """The id its maker chose; a device of another dialect has ours."""
    return str(row["external_id"] or row["id"])


def admission(status: str) -> str:
    return "approved" if status in APPROVED else status.lower()


def device(row: Row) -> dict[str, Any]:
    same = ("name", "hardware_version", "agent_version", "health_status", "online", "last_seen_at")
    project = row["auto_assign_project"]
    return {
        "device_id": device_id(row),
        "endpoint_id": device_id(row),
        "organization_id": row["organisation"],
        "status": admission(row["status"]),
        **{name: row[name] for name in same},
        "ip_address": row["seen_ip_address"],
        "metrics": row["metrics"] or {},
        "current_model_id": row["current_model"],
        "auto_assign_project_id": None if project is None else number_of(project),
        "portainer_endpoint_id": row["portainer_endpoint"],
        "is_virtual": row["virtual"],
        "config": row["config"] or {},
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


class OrganizationSettings(Body):
    batch_timeout_minutes: Annotated[int, Field(ge=1, le=525_600)] = 30
    batch_max_images: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    auto_close: bool = True
    similarity_filter: bool = True
    similarity_threshold: Annotated[float, Field(ge=0, le=1)] = 0.95


class OrganizationUpdate(Body):
    name: Name
    settings: OrganizationSettings | None = None


class Organization(BaseModel):
    id: UUID
    name: str
    slug: str
    settings: OrganizationSettings
    created_at: datetime


def settings_of(row: Row | None) -> dict[str, Any]:
    """The organisation's settings for devices and batches, complete."""
    kept = (row["settings"] or {}).get("acusight", {}) if row is not None else {}
    return OrganizationSettings.model_validate(kept).model_dump()


def organization(row: Row) -> dict[str, Any]:
    same = {name: row[name] for name in ("name", "slug", "created_at")}
    return {"id": row["organisation"], **same, "settings": settings_of(row)}


class Health(BaseModel):
    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, str]
