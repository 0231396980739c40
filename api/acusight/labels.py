"""Labels as AcuSight writes them (contract 7.5)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from api.acusight.body import Body, Name, Number, Some
from infra.postgres import Row
from schemas.ids import new_id

Shape = Literal["bbox", "polygon", "polyline", "keypoints", "classification"]
Source = Literal["manual", "edge", "model", "import"]
AnnotationStatus = Literal["unannotated", "in_progress", "completed", "approved", "rejected"]
LEAST_POINTS = {"polygon": 3, "polyline": 2, "keypoints": 1}
OVER = 1e-6
"""How far a coordinate may lie outside the picture before it is refused; within, it is moved to the edge."""


def shaped(type: str, geometry: list[float]) -> list[float]:
    """The geometry, its coordinates within the picture.

    Errors: ValueError.
    """
    if any(not -OVER <= value <= 1 + OVER for value in geometry):
        raise ValueError("geometry: every coordinate is a share of width or height, from 0 to 1")
    if type == "bbox" and (len(geometry) != 4 or min(geometry[2:]) <= 0):
        raise ValueError("geometry: a bbox is centre x, centre y, width and height, the last two above 0")
    if type == "classification" and geometry:
        raise ValueError("geometry: a classification has none")
    if type in LEAST_POINTS and (len(geometry) % 2 or len(geometry) < 2 * LEAST_POINTS[type]):
        raise ValueError(f"geometry: a {type} is pairs of x and y, at least {LEAST_POINTS[type]}")
    return [min(max(value, 0.0), 1.0) for value in geometry]


class AnnotationInput(Body):
    class_value: Name
    type: Shape
    geometry: Annotated[list[float], Field(max_length=20_000)]
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    source: Source | None = None
    z_order: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0

    @model_validator(mode="after")
    def fits(self) -> Self:
        self.geometry = shaped(self.type, self.geometry)
        return self

    def label(self, source: Source | None = None) -> dict[str, Any]:
        """A new label in our words."""
        own = self.model_dump(include={"class_value", "type", "geometry", "confidence", "z_order"})
        return {"id": new_id(), **own, "source": source or self.source or "manual"}


class AnnotationCreate(AnnotationInput):
    image_id: Number


class AnnotationUpdate(Some):
    class_value: Name = ""
    type: Shape = "bbox"
    geometry: Annotated[list[float], Field(max_length=20_000)] = Field(default_factory=list)
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    z_order: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0


class AnnotationReplace(Body):
    annotations: Annotated[list[AnnotationInput], Field(max_length=10_000)]
    annotation_status: AnnotationStatus | None = None


class Annotation(BaseModel):
    id: int
    image_id: int
    class_value: str
    type: str
    geometry: list[float]
    confidence: float | None
    source: str
    z_order: int
    x_center: float | None
    y_center: float | None
    width: float | None
    height: float | None
    created_at: datetime
    updated_at: datetime


SAME = tuple(name for name in Annotation.model_fields if name not in ("id", "image_id"))


def annotation(row: Row) -> dict[str, Any]:
    return {"id": row["number"], "image_id": row["image_number"]} | {name: row[name] for name in SAME}
