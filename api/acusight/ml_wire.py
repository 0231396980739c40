"""Trainings, models and exports as AcuSight writes them (contract 8.1, 8.2, 8.5)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.acusight.body import Body, Name, Number, Some, plain
from infra.postgres import Row
from schemas.ids import number_of

TrainingStatus = Literal["queued", "preparing", "running", "completed", "failed", "cancelled"]
JobStatus = Literal["queued", "running", "completed", "failed", "cancelled"]
Stage = Literal["candidate", "canary", "production", "archived"]
Format = Literal["onnx", "torchscript", "tflite", "openvino", "tensorrt", "hef"]
Precision = Literal["fp32", "fp16", "int8"]
Side = Annotated[int, Field(ge=1, le=16_384)]
STATUSES = {"ok": "ready", "error": "failed"}
"""Ours for a model that has been checked; else it is processing."""
OPSET = 17
"""The newest operator set that a checked model may use."""


class Hyperparameters(Body):
    """Members that only some architecture knows are kept."""

    model_config = ConfigDict(extra="allow")

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 50
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 16
    image_size: Side = 640
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 0.001
    patience: Annotated[int, Field(ge=0, le=100_000)] = 0
    seed: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0

    @model_validator(mode="after")
    def kept(self) -> Self:
        plain(self.model_extra)
        return self


class TrainingJobCreate(Body):
    dataset_version_id: Number
    project_id: Number | None = None
    name: Name | None = None
    architecture: Name = "detector-small"
    base_model_version_id: Number | None = None
    hyperparameters: Hyperparameters = Field(default_factory=Hyperparameters)


class TrainingJob(BaseModel):
    id: int
    project_id: int
    dataset_version_id: int
    name: str
    architecture: str
    base_model_version_id: int | None
    hyperparameters: dict[str, Any]
    status: TrainingStatus
    progress: float
    current_epoch: int
    total_epochs: int
    metrics: dict[str, float]
    best_metrics: dict[str, float]
    model_version_id: int | None
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


SHOWN = ("name", "architecture", "hyperparameters", "status", "progress", "metrics", "best_metrics", "error_message")
TIMES = ("created_at", "started_at", "completed_at")


def training(row: Row) -> dict[str, Any]:
    return {
        "id": row["number"],
        "project_id": number_of(row["project"]),
        "dataset_version_id": number_of(row["dataset"]),
        "base_model_version_id": row["base"] and number_of(row["base"]),
        "current_epoch": row["epoch"],
        "total_epochs": row["epochs"],
        "model_version_id": row["model_number"],
    } | {name: row[name] for name in (*SHOWN, *TIMES)}


class TrainingMetricPoint(BaseModel):
    epoch: int
    timestamp: datetime
    metrics: dict[str, float]


def point(row: Row) -> dict[str, Any]:
    return {"epoch": row["epoch"], "timestamp": row["created_at"], "metrics": row["metrics"]}


class ModelVersion(BaseModel):
    """`project_id` is 0 for a model of no project; size and digest are left out while no file has been checked."""

    id: int
    project_id: int
    name: str
    version: str
    architecture: str
    task_type: Literal["object_detection", "classification"]
    file_ext: str
    label_map: str
    dataset_version_id: int | None
    training_job_id: int | None
    source: Literal["trained", "uploaded"]
    stage: Stage
    status: Literal["processing", "ready", "failed"]
    metrics: dict[str, float]
    size_bytes: int = 0
    sha256: str = ""
    deployed_device_count: int
    created_at: datetime
    updated_at: datetime


def model(row: Row) -> dict[str, Any]:
    """A model of any dialect. The contract has a number for the project of each."""
    file = {} if row["file"] is None else {"size_bytes": row["size"], "sha256": row["digest"]}
    return file | {
        "id": row["number"],
        "project_id": 0 if row["project"] is None else number_of(row["project"]),
        "name": row["name"],
        "version": str(row["revision"]),
        "architecture": row["architecture"] or "",
        "task_type": "object_detection" if row["boxes"] else "classification",
        "file_ext": "onnx",
        "label_map": label_map(row["labels"]),
        "dataset_version_id": row["dataset"] and number_of(row["dataset"]),
        "training_job_id": row["training_number"],
        "source": "uploaded" if row["training_number"] is None else "trained",
        "stage": row["stage"],
        "status": STATUSES.get(row["status"], "processing"),
        "metrics": row["best_metrics"] or {},
        "deployed_device_count": row["deployed"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


class ModelVersionUpdate(Some):
    name: Name = ""
    stage: Literal["candidate", "production", "archived"] = "candidate"


class DownloadLink(BaseModel):
    download_url: str
    expires_at: datetime
    size_bytes: int
    sha256: str
    file_ext: str


def label_map(labels: list[str]) -> str:
    """As devices receive it: JSON text from the index of a class to its name."""
    return orjson.dumps({str(n): label for n, label in enumerate(labels)}).decode()


class ExportJobCreate(Body):
    model_version_id: Number
    format: Format = "onnx"
    precision: Precision = "fp32"
    image_size: Side | None = None
    opset: Annotated[int, Field(ge=1, le=100)] = OPSET
    dynamic_batch: bool = False
    calibration_dataset_version_id: Number | None = None

    @model_validator(mode="after")
    def fits(self) -> Self:
        if self.precision == "int8" and self.calibration_dataset_version_id is None:
            raise ValueError("calibration_dataset_version_id: int8 needs pictures to calibrate with")
        return self


class ExportJob(BaseModel):
    id: int
    model_version_id: int
    format: Format
    precision: Precision
    status: JobStatus
    progress: float
    download_url: str | None
    file_ext: str
    size_bytes: int | None
    sha256: str | None
    error_message: str | None
    created_at: datetime
    completed_at: datetime | None


EXTENSIONS: dict[str, str] = {"torchscript": "pt", "openvino": "zip", "tensorrt": "engine"}
"""Where the extension is another than the format."""


def extension(format: str) -> str:
    return EXTENSIONS.get(format, format)


def export(row: Row, link: str | None) -> dict[str, Any]:
    same = ("format", "precision", "status", "error_message", "created_at", "completed_at")
    return {
        "id": row["number"],
        "model_version_id": row["model_number"],
        "progress": 1.0 if row["status"] == "completed" else 0.0,
        "download_url": link,
        "file_ext": extension(row["format"]),
        "size_bytes": row["size"],
        "sha256": row["digest"],
    } | {name: row[name] for name in same}
