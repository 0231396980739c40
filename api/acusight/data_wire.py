"""Batches, images and projects as AcuSight writes them (contract 7.1, 7.2, 7.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from api.acusight.body import Body, Name, Number, Some, Text
from api.acusight.labels import Annotation, AnnotationStatus
from infra.postgres import Row
from streams.datasets import shares

BatchStatus = Literal["collecting", "complete"]
BatchStage = Literal["unassigned", "annotating", "review", "dataset"]
Split = Literal["train", "val", "test", "none"]
TaskType = Literal["object_detection", "classification", "segmentation"]


class Batch(BaseModel):
    id: int
    name: str
    device_id: str | None
    project_id: int | None
    project_name: str | None
    status: BatchStatus
    stage: BatchStage
    image_count: int
    annotated_count: int
    dropped_count: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class BatchCreate(Body):
    name: Name
    project_id: Number | None = None


class BatchUpdate(Some):
    name: Name = ""
    project_id: Number | None = None
    status: Literal["complete"] = "complete"
    stage: BatchStage = "unassigned"


COUNTS = ("image_count", "annotated_count", "dropped_count")


def batch(row: Row) -> dict[str, Any]:
    """Without a project it is unassigned, also where the project has gone."""
    same = ("name", "device_id", "project_name", "status", *COUNTS, "created_at", "updated_at", "completed_at")
    own = {"id": row["number"], "project_id": row["project_number"], "stage": row["shown_stage"]}
    return own | {name: row[name] for name in same}


class Shares(Body):
    """How large a part of the images train, val and test get: parts of 1 or of 100."""

    train_split: Annotated[float, Field(ge=0, le=100)] | None = None
    val_split: Annotated[float, Field(ge=0, le=100)] | None = None
    test_split: Annotated[float, Field(ge=0, le=100)] | None = None

    def parts(self) -> dict[str, float]:
        """Errors: ValueError."""
        said = {split: getattr(self, f"{split}_split") or 0.0 for split in shares.SPLITS}
        try:
            return shares.checked(said)
        except ValueError as wrong:
            raise ValueError(f"train_split, val_split, test_split: {wrong}") from None


class Image(BaseModel):
    id: int
    filename: str
    storage_key: str
    width: int
    height: int
    device_id: str | None
    batch_id: int
    batch_name: str
    project_name: str | None
    version_name: str | None
    annotation_status: AnnotationStatus
    split: Split
    split_locked: bool
    created_at: datetime
    updated_at: datetime


class FullImage(Image):
    annotations: list[Annotation]


class ImageUpdate(Some):
    annotation_status: AnnotationStatus = "unannotated"
    split: Split = "none"
    split_locked: bool = False


IMAGE = ("filename", "storage_key", "width", "height", "device_id", "batch_name", "project_name", "version_name")
STATE = ("annotation_status", "split", "split_locked", "created_at", "updated_at")


def image(row: Row) -> dict[str, Any]:
    own = {"id": row["number"], "batch_id": row["batch_number"]}
    return own | {name: row[name] for name in (*IMAGE, *STATE)}


class ProjectClass(Body):
    value: Name
    color: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")] | None = None
    index: Annotated[int, Field(ge=0, lt=2**31)] | None = None


Classes = Annotated[list[ProjectClass], Field(max_length=10_000)]


def distinct(classes: list[ProjectClass]) -> None:
    for name in ("value", "index"):
        seen = Counter(getattr(one, name) for one in classes)
        twice = [value for value, times in seen.items() if times > 1 and value is not None]
        if twice:
            raise ValueError(f"classes: {name} {twice[0]} is there twice")


class ProjectCreate(Body):
    name: Name
    description: Text | None = None
    task_type: TaskType = "object_detection"
    classes: Classes = Field(default_factory=list)

    @model_validator(mode="after")
    def fits(self) -> Self:
        distinct(self.classes)
        return self


class ProjectUpdate(Some):
    name: Name = ""
    description: Text | None = None
    classes: Classes = Field(default_factory=list)

    @model_validator(mode="after")
    def fits(self) -> Self:
        distinct(self.classes)
        return self


class Project(BaseModel):
    id: int
    name: str
    description: str
    task_type: TaskType
    classes: list[dict[str, Any]]
    image_count: int
    batch_count: int
    annotation_count: int
    organization_id: str
    created_at: datetime
    updated_at: datetime


def classes(body: dict[str, Any], told: Iterable[str]) -> list[dict[str, Any]]:
    """Those of the project, then those that only devices and models have named."""
    own = [{k: v for k, v in one.items() if v is not None} for one in body.get("classes", [])]
    known = {one["value"] for one in own}
    return own + [{"value": value} for value in told if value not in known]


def project(row: Row, counts: Row | None, told: Iterable[str], organisation: str) -> dict[str, Any]:
    body = row["body"]
    return {
        "id": row["number"],
        "name": body["name"],
        "description": body.get("description") or "",
        "task_type": body.get("task_type", "object_detection"),
        "classes": classes(body, told),
        **{
            name: counts[name] if counts is not None else 0
            for name in ("image_count", "batch_count", "annotation_count")
        },
        "organization_id": organisation,
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
