"""Bodies in and out, as the contract names them (sections 5 to 7 and 10)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from infra.postgres import Row
from streams.analysis.envelope import Head, JobError, instant, job_id
from streams.analysis.job import retention

JobStatus = Literal["queued", "processing", "finished", "failed"]
JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["video_12345", "image_batch_123"])]
Share = Annotated[float, Field(ge=0, le=1)]
HeaderValue = Annotated[str, Field(max_length=1024)]


class Body(BaseModel):
    """Unknown members are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class WebhookConfig(Body):
    url: Annotated[str, Field(max_length=2048, json_schema_extra={"format": "uri"})]
    secret: Annotated[str, Field(min_length=1, max_length=512, json_schema_extra={"writeOnly": True})] | None = None
    payload: Literal["full", "thin"] = "full"
    headers: Annotated[dict[str, HeaderValue], Field(max_length=10)] = {}


def storable(text: str) -> str:
    """No table can hold U+0000."""
    if "\0" in text:
        raise ValueError("must not hold the character U+0000")
    return text


class ImageInput(Body):
    external_id: Annotated[str, Field(min_length=1, max_length=256), AfterValidator(storable)] | None = None
    data_base64: Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]


class ImagesRequest(Body):
    images: Annotated[list[ImageInput], Field(min_length=1, max_length=64)]
    webhook: WebhookConfig | None = None


class JobAccepted(BaseModel):
    job_id: JobId


class Error(BaseModel):
    code: str
    message: str
    retryable: bool


class TimeSegment(BaseModel):
    start_seconds: Annotated[float, Field(ge=0)]
    end_seconds: Annotated[float, Field(ge=0)]


class Person(BaseModel):
    age: float | None
    gender: Literal["female", "male", "unidentified"]
    face_embedding: list[float]
    face_thumbnail: str
    allowlisted: bool
    relative_prominence: Share
    person_ref: str = ""


class PersonConstellationScene(BaseModel):
    time_segment: TimeSegment
    person_ids: list[Person]


class Text(BaseModel):
    language_code: str
    full_text: str


class VideoText(Text):
    time_segment: TimeSegment


class Tagged(BaseModel):
    section_tag: str
    confidence: Share
    is_critical: bool


class Section(Tagged):
    time_segments: list[TimeSegment]
    thumbnail_timestamp: Annotated[float, Field(ge=0)]
    relative_activity: Share


class VideoResult(BaseModel):
    raw_scenes: list[TimeSegment]
    frame_activity_diffs: list[float]
    person_constellation_scenes: list[PersonConstellationScene]
    ocr_results: list[VideoText]
    sections: list[Section]
    analysis: dict[str, Any] = {}


class BoundingBox(BaseModel):
    x: Share
    y: Share
    width: Share
    height: Share


class ImagePerson(Person):
    bounding_box: BoundingBox


class ImageResult(BaseModel):
    persons: list[ImagePerson]
    ocr_results: list[Text]
    sections: list[Tagged]


class ImageItem(BaseModel):
    index: Annotated[int, Field(ge=0)]
    external_id: str | None = None
    status: JobStatus
    result: ImageResult | None = None
    error: Error | None = None


class JobTimes(BaseModel):
    job_id: JobId
    status: JobStatus
    error: Error | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class VideoJob(JobTimes):
    result: VideoResult | None = None
    result_url: str | None = None


class ImagesJob(JobTimes):
    items: list[ImageItem] | None = None
    result_url: str | None = None


class Job(BaseModel):
    job_id: JobId
    kind: Literal["video", "images"]
    status: JobStatus
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    max_processing_time_seconds: int = 0
    attempts: int = 0
    error: Error | None = None
    result_expires_at: datetime | None = None
    webhook_delivery_ids: list[str] = []


class JobPage(BaseModel):
    data: list[Job]
    next_cursor: str | None


class Latency(BaseModel):
    media_type: Literal["video", "image"]
    unit: Literal["second", "image"]
    latency_ms_per_unit: Annotated[float, Field(ge=0)]
    latency_p95_ms_per_unit: Annotated[float, Field(ge=0)]
    sample_count: Annotated[int, Field(ge=0)]
    window_seconds: Annotated[int, Field(ge=1)]


class Capacity(BaseModel):
    used_system_capacity: Share


class Fault(BaseModel):
    pointer: str
    code: str
    message: str


class ProblemDocument(BaseModel):
    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    instance: str = ""
    request_id: str = ""
    errors: list[Fault] = []
    violated_policies: Annotated[list[str], Field(alias="violated-policies")] = []


def head_of(row: Row) -> Head:
    return Head(row["kind"], row["id"], row["status"], row["created_at"], row["started_at"], row["finished_at"])


def error_of(row: Row) -> JobError | None:
    return None if row["code"] is None else JobError(row["code"], row["message"] or "", bool(row["retryable"]))


def job(row: Row) -> dict[str, Any]:
    """State and timing of a job; never its result."""
    error = error_of(row)
    kept = row["finished_at"] is not None and row["erased_at"] is None
    body: dict[str, Any] = {
        "job_id": job_id(row["kind"], row["id"]),
        "kind": row["kind"],
        "status": row["status"],
        "created_at": instant(row["created_at"]),
        "started_at": instant(row["started_at"]),
        "finished_at": instant(row["finished_at"]),
        "max_processing_time_seconds": row["max_processing_time"],
        "attempts": row["attempts"],
        "result_expires_at": instant(row["finished_at"] + retention(row["options"])) if kept else None,
    }
    if error is not None:
        body["error"] = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return body
