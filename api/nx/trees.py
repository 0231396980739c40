"""Bodies of sites, devices and their pipelines (`/dev`), and how our rows become them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from api.nx.wire import Body, Entity, Json, NxId, OrganisationRef, Target, stamp

Resizing = Literal["Letterbox", "Stretch", "Crop"]
Settings = dict[str, Any]


class System(Body):
    """A site."""

    nx_id: NxId = Field(alias="NxID")
    name: str
    online: bool
    status: Literal["online", "offline"]
    online_at: datetime | None
    customization: str
    version: str
    organisation: OrganisationRef
    server_count: int
    device_count: int


class Supports(Body):
    pipelines: bool


class Server(Body):
    nx_id: NxId = Field(alias="NxID")
    name: str
    status: str
    ai_plugin_version: str = Field(alias="AIPluginVersion")
    supports: Supports
    runtime: Target
    architecture: Literal["x86_64", "aarch64"]
    preprocessors: list[str]
    postprocessors: list[str]


class Pipeline(BaseModel):
    """Tree rooted at one model fed by the video."""

    model_config = ConfigDict(extra="ignore")

    modelUUID: NxId  # noqa: N815  # the wire's spelling, here and below
    modelNMS: float | None = Field(None, ge=0, le=1)  # noqa: N815
    resizingMethod: Resizing = "Letterbox"  # noqa: N815
    Preprocessor: str = Field("", max_length=200)
    Postprocessor: str = Field("", max_length=200)
    chains: list[Chain] = []

    def neutral(self) -> Json:
        """The tree as the `models` context has it."""
        node = {
            "model": self.modelUUID,
            "nms": self.modelNMS,
            "resizing": self.resizingMethod.lower(),
            "preprocessor": self.Preprocessor,
            "postprocessor": self.Postprocessor,
        }
        return {**node, "chains": [child.neutral() for child in self.chains]}

    def models(self) -> set[str]:
        """Every model in the tree."""
        return {self.modelUUID}.union(*(child.models() for child in self.chains))


class Chain(Pipeline):
    """A child; `chainMethod` says what it takes of its parent."""

    chainMethod: Literal["direct", "conditional", "feature_extraction"]  # noqa: N815
    condition: str | None = Field(None, max_length=200, description="Output field that must be true")
    className: str | None = Field(None, max_length=200, description="Box label whose crops are fed on")  # noqa: N815

    @model_validator(mode="after")
    def whole(self) -> Self:
        if self.chainMethod == "conditional" and not self.condition:
            raise ValueError("a conditional chain names its condition")
        if self.chainMethod == "feature_extraction" and not self.className:
            raise ValueError("a feature_extraction chain names its className")
        return self

    def neutral(self) -> Json:
        child = {"method": self.chainMethod, "condition": self.condition, "class_name": self.className}
        return {**super().neutral(), **child}


class AssignRequest(Body):
    """A model, as `FunctionID` or in the older spelling `FunctionUUID`."""

    function_id: NxId = Field(alias="FunctionID")
    function_uuid: NxId | None = Field(None, alias="FunctionUUID")

    @model_validator(mode="before")
    @classmethod
    def either(cls, given: Any) -> Any:
        if isinstance(given, dict) and "FunctionID" not in given and "FunctionUUID" in given:
            return {**given, "FunctionID": given["FunctionUUID"]}
        return given


def several(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


Assignments = Annotated[
    list[AssignRequest],
    Field(min_length=1, max_length=16),
    BeforeValidator(several, json_schema_input_type=AssignRequest | list[AssignRequest]),
]


class Assignment(Body):
    function_id: NxId = Field(alias="FunctionID")
    name: str
    pipeline_index: int
    status: Literal["pending", "downloading", "active", "error"]


class BulkPipelines(Body):
    devices: list[NxId] = Field(min_length=1, max_length=1000)
    functions: list[NxId]
    pipelines: list[Pipeline]


class Clone(Body):
    source: NxId
    devices: list[NxId] = Field(min_length=1, max_length=1000)


class BulkDevice(Body):
    nx_id: NxId = Field(alias="NxID")
    status: Literal["applied", "skipped", "error"]
    message: str


class BulkResult(Body):
    message: str
    devices: list[BulkDevice]


class DeviceSettings(Body):
    active: bool | None = None
    resizing_method: Resizing | None = None
    groups: list[NxId] | None = Field(None, max_length=100)
    class_visualisation: dict[str, bool] | None = None


class NxAi(BaseModel):
    pipelines: list[Pipeline]


class SystemDevice(Body):
    nx_id: NxId = Field(alias="NxID")
    name: str
    server: Server | None
    v2: Json | None = Field(alias="V2")
    nx_ai: NxAi = Field(alias="nxAI")
    groups: list[Entity]
    active: bool
    enabled: bool
    updated_at: datetime


def system(row: Any, organisation: Json, servers: int, devices: int) -> Json:
    """A site record."""
    body = row["body"]
    online = bool(body["online"])
    return {
        "NxID": row["id"],
        "Name": body["name"],
        "Online": online,
        "Status": "online" if online else "offline",
        "OnlineAt": stamp(row["updated_at"]) if online else None,
        "Customization": body["customization"],
        "Version": body["version"],
        "Organisation": organisation,
        "ServerCount": servers,
        "DeviceCount": devices,
    }


def server(row: Any) -> Json:
    """A server record."""
    body = row["body"]
    return {
        "NxID": row["id"],
        "Name": body["name"],
        "Status": "online" if body["online"] else "offline",
        "AIPluginVersion": body.get("plugin_version", ""),
        "Supports": {"Pipelines": body["supports_pipelines"]},
        "Runtime": body["runtime"],
        "Architecture": body["architecture"],
        "Preprocessors": body["preprocessors"],
        "Postprocessors": body["postprocessors"],
    }


def pipeline(node: Json) -> Json:
    """A stored tree as it was put."""
    told = {
        "modelUUID": node["model"],
        "resizingMethod": node.get("resizing", "letterbox").capitalize(),
        "Preprocessor": node.get("preprocessor", ""),
        "Postprocessor": node.get("postprocessor", ""),
        "chains": [pipeline(child) for child in node.get("chains", ())],
    }
    child = {"modelNMS": "nms", "chainMethod": "method", "condition": "condition", "className": "class_name"}
    return told | {name: node[own] for name, own in child.items() if node.get(own) is not None}


def braced(id: str) -> str:
    return f"{{{id}}}"


def settings_of(row: Any) -> Settings:
    """What this dialect keeps of a device beside what all dialects share."""
    found: Settings = (row["metadata"] or {}).get("nx", {})
    return found


def device(row: Any, on: Any | None, runs: list[Json], groups: list[Json]) -> Json:
    """A device; `on` is its server's record, `runs` what it runs."""
    said = settings_of(row)
    return {
        "NxID": braced(row["id"]),
        "Name": row["name"],
        "Server": server(on) if on is not None else None,
        "V2": {"id": row["id"]},
        "nxAI": {"pipelines": [pipeline(node) for node in runs]},
        "Groups": groups,
        "Active": said.get("active", True),
        "Enabled": row["status"] == "ACTIVE",
        "UpdatedAt": stamp(row["updated_at"]),
    }
