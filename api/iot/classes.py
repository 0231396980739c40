"""Annotation classes: kinds of label, from which forms are made (contract, 6.12)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from pydantic import Field, model_validator

from api.auth import Caller
from api.gateway import Gateway
from api.iot import labels, plain
from api.iot.answers import Body, Name, QueryText, Shown, Text, present
from api.iot.exports import ScopeType
from api.iot.groups import Asked, Group, Wanted, serve
from api.iot.problems import Problem, invalid
from infra.postgres import Connection, Row
from projections.records import queries as records

router = APIRouter(prefix="/v1", tags=["Annotation classes"])
CLASS, ANNOTATION = "annotation-class", "annotation"
Temporality = Literal["POINT", "RANGE", "ANY"]
FieldType = Literal["NUMBER", "INTEGER", "BOOLEAN", "TEXT", "SELECT", "MULTI_SELECT", "DATETIME"]
Key = Annotated[Text, Field(min_length=1, max_length=120)]


class ClassField(Body):
    """One field of a label form."""

    name: Key
    label: Text | None = None
    type: FieldType
    required: bool | None = None
    options: list[Key] | None = Field(default=None, max_length=200)
    min: float | None = None
    max: float | None = None
    unit: Text | None = None

    @model_validator(mode="after")
    def chosen(self) -> Self:
        if self.type in ("SELECT", "MULTI_SELECT") and not self.options:
            raise ValueError("a selection has options")
        return self


class AnnotationClassWrite(Body):
    key: Key
    name: Name
    description: Text | None = None
    color: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")
    scopes: list[ScopeType] = Field(min_length=1)
    temporality: Temporality = "ANY"
    fields: list[ClassField] = Field(max_length=100)

    @model_validator(mode="after")
    def told_apart(self) -> Self:
        if len({field.name for field in self.fields}) < len(self.fields):
            raise ValueError("two fields have one name")
        return self


class AnnotationClass(Shown):
    """Kind of label; drives generated forms."""

    id: str
    key: str
    name: str
    description: str | None = None
    color: str | None = None
    scopes: list[ScopeType]
    temporality: Temporality
    fields: list[ClassField]
    pack_key: str | None = None
    created_at: datetime
    updated_at: datetime


CLASS_MEMBERS = ("key", "name", "description", "color", "scopes", "temporality", "fields", "packKey")


async def classes(_db: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    return [plain.shown(row, *CLASS_MEMBERS) for row in rows]


async def used(gate: Gateway, caller: Caller, id: str) -> int:
    async with gate.reading(caller) as db:
        _, total = await records.page(db, ANNOTATION, where={"annotationClassId": id}, limit=1)
    return total


async def class_kept(asked: Asked) -> dict[str, Any]:
    """The key is fixed; while labels of it are stored, its form may only gain what they need not have.

    Errors: Problem 409.
    """
    body, old = plain.members(asked.body), asked.old
    if old is None:
        return body
    if body["key"] != old["body"]["key"]:
        raise invalid("key", "CONFLICT", "The key of a class is fixed.", 409, "INVALID_STATE")
    if labels.tightened(old["body"], body) and await used(asked.gate, asked.caller, old["id"]):
        raise Problem(409, "ANNOTATION_CLASS_IN_USE", "Stored annotations would not fit the class any more.")
    return {**body, **present(packKey=old["body"].get("packKey"))}


def class_filters(
    scope_type: Annotated[ScopeType | None, Query(alias="scopeType")] = None, q: QueryText | None = None
) -> Wanted:
    return Wanted(where={"scopes": [scope_type]} if scope_type else {}, q=q)


CLASSES = Group(
    kind=CLASS, one="annotation_class", many="annotation_classes", path="/annotation-classes", parameter="classId",
    shape=AnnotationClass, write=AnnotationClassWrite, shown=classes, kept=class_kept, wanted=class_filters,
)  # fmt: skip
serve(router, CLASSES)
