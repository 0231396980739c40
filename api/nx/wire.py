"""What every body of this dialect has in common, the bodies of models and catalogues, and how our rows become them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_pascal

Json = dict[str, Any]
Target = Literal["cpu", "intel", "nvidia", "hailo", "hailo-8l", "mxa", "qualcomm", "deepx"]
FunctionStatus = Literal["new", "uploading", "queued", "pending", "processing", "ok", "error"]
NIL = "00000000-0000-0000-0000-000000000000"
NX_ID = r"^\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?$"


def plain_id(id: Any) -> Any:
    """An id without braces in lower case: so it is stored and compared, however it was written."""
    return id.strip("{}").lower() if isinstance(id, str) and re.fullmatch(NX_ID, id) else id


def known_id(id: str) -> str | None:
    """A path's id, or None for what cannot be one: that is as unknown as any."""
    return plain_id(id) if re.fullmatch(NX_ID, id) else None


NxId = Annotated[str, BeforeValidator(plain_id), Field(pattern=NX_ID)]


class Body(BaseModel):
    """PascalCase; unknown members are ignored."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, extra="ignore")


class FieldProblem(Body):
    name: str
    message: str


class Message(Body):
    """Envelope of acknowledgements and of every error."""

    message: str
    authorization_invalid: bool | None = None
    backend_message: str | None = None
    email: str | None = None
    field: FieldProblem | None = None
    uuid: UUID | None = Field(None, alias="UUID")


class Entity(Body):
    uuid: UUID = Field(alias="UUID")
    name: str


class OrganisationRef(Entity):
    kind: Literal["user", "organization", "channel_partner"] = "organization"


class TensorSpec(Body):
    name: str
    data_type: str
    shape: list[int]


class InputDriverDetails(BaseModel):
    """`order` 0 is NCHW, 1 NHWC; means and vars on the 0 to 255 scale."""

    model_config = ConfigDict(extra="allow")
    channels: Literal[1, 3] | None = None
    height: int | None = Field(None, gt=0)
    width: int | None = Field(None, gt=0)
    means: list[float] | None = None
    vars: list[float] | None = None
    order: Literal[0, 1] | None = None


class OutputDriverDetails(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True)
    post_processing: str | Json | None = Field(None, alias="postProcessing")


class FunctionFields(Body):
    """Editable fields; what an upload leaves out is taken from the file."""

    name: str | None = Field(None, min_length=1, max_length=200)
    alias: str | None = Field(None, max_length=200)
    documentation: str | None = Field(None, max_length=100_000)
    customization: str | None = Field(None, max_length=100)
    input_driver: str | None = Field(None, max_length=100)
    input_driver_details: InputDriverDetails | None = None
    output_driver: str | None = Field(None, max_length=100)
    output_driver_details: OutputDriverDetails | None = None
    named_input: list[TensorSpec] | None = None
    named_output: list[TensorSpec] | None = None
    enable_conversions: list[Target] | None = None
    source_name: str | None = Field(None, max_length=200)
    source_url: str | None = Field(None, max_length=2000)
    site: NxId | None = None
    catalogues: list[NxId] | None = Field(None, max_length=100)

    def told(self) -> Json:
        """The members that were sent, as a model's description names them."""
        sent = self.model_dump(exclude_unset=True, by_alias=False, mode="json")
        kept = {name: value for name, value in sent.items() if value is not None or name in NULLABLE}
        for name in ("input_driver_details", "output_driver_details"):
            if (details := getattr(self, name)) is not None:
                kept[name] = details.model_dump(exclude_unset=True, by_alias=True, mode="json")
        return {SPELT.get(name, name): value for name, value in kept.items() if name not in TENSORS}


NULLABLE = frozenset({"source_name", "source_url", "site"})
TENSORS = ("named_input", "named_output")
SPELT = {
    "input_driver_details": "input_details",
    "output_driver_details": "output_details",
    "enable_conversions": "targets",
}


class FunctionUpload(Body):
    """Either `name` and `documentation`, or `data`; `data` wins."""

    file: str = Field(alias="file", json_schema_extra={"contentMediaType": "application/octet-stream"})
    name: str | None = Field(None, alias="name")
    documentation: str | None = Field(None, alias="documentation")
    data: FunctionFields | None = Field(None, alias="data")


class FunctionPatch(Body):
    file: str | None = Field(None, alias="file", json_schema_extra={"contentMediaType": "application/octet-stream"})
    data: FunctionFields | None = Field(None, alias="data")


class FunctionUploadJson(FunctionFields):
    name: str = Field(min_length=1, max_length=200)
    onnx_model: str = Field(json_schema_extra={"contentEncoding": "base64"})


class Conversion(Body):
    target: Target
    status: FunctionStatus
    message: str | None = None
    file_uuid: UUID | None = Field(None, alias="FileUUID")
    updated_at: datetime


class ConversionRequest(Body):
    enable_conversions: list[Target]


class ModelFile(Body):
    uuid: UUID = Field(alias="UUID")
    mime_type: str
    target: Target | None = None
    size: int
    sha256: str = Field(alias="SHA256")
    cdnuri: str = Field(alias="CDNURI")
    inserted_at: datetime


class Code(Body):
    size: int
    status: FunctionStatus
    cdnuri: str = Field(alias="CDNURI", description="Empty until the compiled file exists")


class Source(Body):
    name: str | None
    url: str | None


class Function(Entity):
    """A model."""

    alias: str
    documentation: str
    status: FunctionStatus
    status_message: str | None
    organisation: OrganisationRef
    catalogues: list[Entity]
    customization: str
    input_driver: str
    input_driver_details: InputDriverDetails
    output_driver: str
    output_driver_details: OutputDriverDetails
    named_input: list[TensorSpec]
    named_output: list[TensorSpec]
    enable_conversions: list[Target]
    conversions: list[Conversion]
    device_count: int
    code: Code
    source: Source
    sync_information: Json
    public: bool
    version: int
    inserted_at: datetime
    updated_at: datetime


class FunctionStatistics(Body):
    total: int
    by_status: dict[str, int]
    assigned: int


class FunctionOptions(Body):
    input_drivers: list[str]
    output_drivers: list[str]
    targets: list[Target]
    customizations: list[str]
    resizing_methods: list[str]


class Configuration(Body):
    max_upload_bytes: int
    targets: list[Target]
    max_opset: int
    version: str


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Our own JSON, encoded once."""
    return Response(orjson.dumps(body, default=str), status, dict(headers or {}), "application/json")


def page(items: list[Json], total: int) -> Response:
    """A bare array; the total is in a header, whatever the page size."""
    return answer(items, headers={"X-Pagination-Records": str(total)})


def stamp(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def tensor(spec: Json) -> Json:
    return {"Name": spec["name"], "DataType": spec["dtype"], "Shape": spec["shape"]}


def conversion(row: Any) -> Json:
    at = row["updated_at"]  # text where Postgres made the row JSON
    return {
        "Target": row["target"],
        "Status": row["status"],
        "Message": row["message"],
        "FileUUID": row["file"],
        "UpdatedAt": stamp(datetime.fromisoformat(at) if isinstance(at, str) else at),
    }


def function(row: Any, organisation: Json, catalogues: Mapping[str, Json], uri: str) -> Json:
    """A model's row as a Function; `catalogues`: those that are seen; `uri`: its compiled file, once there is one."""
    within = {id: catalogues[id] for id in row["catalogues"] if id in catalogues}
    return {
        "UUID": row["id"],
        "Name": row["name"],
        "Alias": row["alias"],
        "Documentation": row["documentation"],
        "Status": row["status"],
        "StatusMessage": row["status_message"],
        "Organisation": organisation,
        "Catalogues": [{"UUID": id, "Name": each["name"]} for id, each in within.items()],
        "Customization": row["customization"],
        "InputDriver": row["input_driver"],
        "InputDriverDetails": row["input_details"],
        "OutputDriver": row["output_driver"],
        "OutputDriverDetails": row["output_details"],
        "NamedInput": [tensor(spec) for spec in row["named_input"]],
        "NamedOutput": [tensor(spec) for spec in row["named_output"]],
        "EnableConversions": row["targets"],
        "Conversions": [conversion(each) for each in row["conversions"]],
        "DeviceCount": row["device_count"],
        "Code": {"Size": row["artefact_size"] or row["size"] or 0, "Status": row["status"], "CDNURI": uri},
        "Source": {"Name": row["source_name"], "Url": row["source_url"]},
        "SyncInformation": {},
        "Public": any(each.get("public", False) for each in within.values()),
        "Version": row["revision"],
        "InsertedAt": stamp(row["created_at"]),
        "UpdatedAt": stamp(row["updated_at"]),
    }


def model_file(row: Any, uri: str) -> Json:
    return {
        "UUID": row["id"],
        "MimeType": row["media_type"],
        "Target": row["target"],
        "Size": row["size"],
        "SHA256": row["digest"],
        "CDNURI": uri,
        "InsertedAt": stamp(row["created_at"]),
    }
