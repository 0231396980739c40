"""Images and their labels (contract 7.4, 7.5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from api.acusight import data_wire, labels, wire
from api.acusight.answers import Answer, List, Paged, Success, good, told
from api.acusight.auth import Admin, Member, Viewer
from api.acusight.body import Number, PathNumber, QueryText, sent
from api.acusight.problems import Problem, absent, invalid
from api.acusight.upload import discard
from api.auth import Caller
from api.gateway import Gate, Gateway, Pending, asked
from infra.objects import Objects
from infra.postgres import Row
from projections.datasets import queries as datasets
from projections.media import queries as media
from projections.records import queries as records
from schemas.datasets.messages import ChangeImage, DropAnnotation, PutAnnotations, RemoveImage

LINK = timedelta(minutes=15)
router = APIRouter(prefix="/data")
Flag = Annotated[bool, Query()]


async def image_row(gate: Gateway, caller: Caller, number: int) -> Row:
    async with gate.reading(caller) as db:
        row = await datasets.image(db, number)
    if row is None:
        raise absent("image")
    return row


async def seen_image(caller: Viewer, id: PathNumber, gate: Gate) -> Row:
    return await image_row(gate, caller, id)


async def kept_image(caller: Member, id: PathNumber, gate: Gate) -> Row:
    return await image_row(gate, caller, id)


async def dropped_image(caller: Admin, id: PathNumber, gate: Gate) -> Row:
    return await image_row(gate, caller, id)


SeenImage = Annotated[Row, Depends(seen_image)]
KeptImage = Annotated[Row, Depends(kept_image)]


async def shown(
    request: Request, gate: Gateway, caller: Caller, rows: Sequence[Row], *, labelled: bool = True, linked: bool = False
) -> list[dict[str, Any]]:
    """Images with their labels and, when asked for, signed links."""
    found = [data_wire.image(row) for row in rows]
    if labelled:
        async with gate.reading(caller) as db:
            by_image = defaultdict(list)
            for label in await datasets.labels(db, [row["id"] for row in rows]):
                by_image[label["image"]].append(labels.annotation(label))
        for image, row in zip(found, rows, strict=True):
            image["annotations"] = by_image[row["id"]]
    if linked:
        objects: Objects = request.app.state.objects
        for image in found:
            image["image_url"] = await objects.link(image["storage_key"], LINK)
    return found


@router.get("/images", **told(List[data_wire.Image], 400, 401, 403))
async def list_images(
    request: Request,
    caller: Viewer,
    page: Paged,
    gate: Gate,
    project_id: Annotated[Number | Literal["null"] | None, Query(description="project, or null for unassigned")] = None,
    batch_id: Annotated[Number | None, Query()] = None,
    device_id: Annotated[QueryText | None, Query()] = None,
    stage: Annotated[data_wire.BatchStage | None, Query(description="read only together with project_id")] = None,
    annotation_status: Annotated[labels.AnnotationStatus | None, Query()] = None,
    split: Annotated[data_wire.Split | Literal["all"] | None, Query()] = None,
    class_values: Annotated[QueryText | None, Query(description="comma list, any match")] = None,
    search: Annotated[QueryText | None, Query(description="part of the file name")] = None,
    filename: Annotated[QueryText | None, Query(description="the whole file name")] = None,
    include_image_url: Flag = False,
    include_annotations: Flag = False,
) -> Answer:
    """Images, newest first."""
    wanted = datasets.Images(
        **project_filter(project_id),
        batch=batch_id,
        device=device_id,
        stage=stage if project_id is not None else None,
        status=annotation_status,
        split=None if split == "all" else split,
        classes=tuple(class_values.split(",")) if class_values else None,
        search=search,
        filename=filename,
    )
    async with gate.reading(caller) as db:
        rows, total = await datasets.images(db, wanted, limit=page.limit, offset=page.offset)
    found = await shown(request, gate, caller, rows, labelled=include_annotations, linked=include_image_url)
    return page.answer(found, total)


def project_filter(project: int | str | None) -> dict[str, Any]:
    return {"unassigned": True} if project == "null" else {"project": project}


@router.get("/images/{id}", **told(Success[data_wire.FullImage], 400, 401, 403, 404))
async def get_image(
    request: Request,
    caller: Viewer,
    row: SeenImage,
    gate: Gate,
    include_image_url: Annotated[bool, Query(description="add signed image_url")] = False,
) -> Answer:
    """One image with its labels."""
    (found,) = await shown(request, gate, caller, [row], linked=include_image_url)
    return good(found)


@router.patch("/images/{id}", **told(Success[data_wire.FullImage], 400, 401, 403, 404, 409, body=data_wire.ImageUpdate))
async def update_image(
    request: Request,
    caller: Member,
    row: KeptImage,
    body: Annotated[data_wire.ImageUpdate, Depends(sent(data_wire.ImageUpdate))],
    gate: Gate,
) -> Answer:
    """Label state, split and its lock."""
    await gate.ask(ChangeImage(changes=body.changes()), stream=row["id"], caller=caller)
    (found,) = await shown(request, gate, caller, [await image_row(gate, caller, row["number"])])
    return good(found)


@router.delete("/images/{id}", **told(Success[wire.Deleted], 400, 401, 403, 404, 409))
async def delete_image(
    request: Request, caller: Admin, row: Annotated[Row, Depends(dropped_image)], gate: Gate
) -> Answer:
    """The image goes with its labels, unless it is frozen in a version."""
    done = await gate.ask(RemoveImage(), stream=row["id"], caller=caller)
    await gone(request, gate, caller, [row], done.command)
    return good({"id": row["number"], "deleted": True})


async def gone(request: Request, gate: Gateway, caller: Caller, images: Sequence[Row], command: str) -> None:
    """The files of pictures that nothing shows any more go; when this returns, the same bytes may come again."""
    ids = [row["id"] for row in images]
    if await gate.shown(caller, lambda db: media.discarded(db, ids)) is None:
        raise Pending(command, ids[0])
    for row in images:
        await discard(request.app.state.objects, row["storage_key"])


@router.put(
    "/images/{id}/annotations",
    **told(Success[list[labels.Annotation]], 400, 401, 403, 404, 409, body=labels.AnnotationReplace),
)
async def replace_annotations(
    caller: Member,
    row: KeptImage,
    body: Annotated[labels.AnnotationReplace, Depends(sent(labels.AnnotationReplace))],
    gate: Gate,
) -> Answer:
    """The full set of labels at once."""
    await must_be_classes(gate, caller, row, *(one.class_value for one in body.annotations))
    put = [one.label() for one in body.annotations]
    command = PutAnnotations(annotations=put, replace=True, status=body.annotation_status)
    await gate.ask(command, stream=row["id"], caller=caller)
    async with gate.reading(caller) as db:
        return good([labels.annotation(label) for label in await datasets.labels(db, [row["id"]])])


async def must_be_classes(gate: Gateway, caller: Caller, image: Row, *values: str) -> None:
    """A person may only use classes of the image's project."""
    if image["project"] is None:
        return
    async with gate.reading(caller) as db:
        project = await records.one(db, "project", image["project"])
        found = await datasets.told_classes(db, [image["project"]])
    if project is None:
        return
    known = {one["value"] for one in data_wire.classes(project["body"], found.get(image["project"], ()))}
    for value in values:
        if value not in known:
            raise invalid("class_value", f"{value} is no class of the project")


@router.get("/annotations", **told(List[labels.Annotation], 400, 401, 403))
async def list_annotations(
    caller: Viewer,
    page: Paged,
    gate: Gate,
    image_id: Annotated[Number | None, Query()] = None,
    batch_id: Annotated[Number | None, Query()] = None,
    class_value: Annotated[QueryText | None, Query()] = None,
    source: Annotated[labels.Source | None, Query()] = None,
) -> Answer:
    """Labels, oldest first."""
    wanted = datasets.Labels(image=image_id, batch=batch_id, class_value=class_value, source=source)
    async with gate.reading(caller) as db:
        rows, total = await datasets.labels_page(db, wanted, limit=page.limit, offset=page.offset)
    return page.answer([labels.annotation(row) for row in rows], total)


@router.post(
    "/annotations",
    **told(Success[labels.Annotation], 400, 401, 403, 404, status=201, body=labels.AnnotationCreate),
)
async def create_annotation(
    request: Request,
    caller: Member,
    body: Annotated[labels.AnnotationCreate, Depends(sent(labels.AnnotationCreate))],
    gate: Gate,
) -> Answer:
    """One more label."""
    row = await image_row(gate, caller, body.image_id)
    await must_be_classes(gate, caller, row, body.class_value)
    ask = asked(request, caller, request.state.raw)
    label = body.label() | {"id": ask.entity("annotation")}
    await gate.ask(PutAnnotations(annotations=[label]), stream=row["id"], caller=caller, ask=ask)
    return good(labels.annotation(await label_row(gate, caller, id=label["id"])), 201)


async def label_row(gate: Gateway, caller: Caller, *, number: int | None = None, id: str | None = None) -> Row:
    async with gate.reading(caller) as db:
        row = await datasets.label(db, number=number, id=id)
    if row is None:
        raise absent("annotation")
    return row


async def kept_label(caller: Member, id: PathNumber, gate: Gate) -> Row:
    return await label_row(gate, caller, number=id)


KeptLabel = Annotated[Row, Depends(kept_label)]


@router.patch("/annotations/{id}", **told(Success[labels.Annotation], 400, 401, 403, 404, body=labels.AnnotationUpdate))
async def update_annotation(
    caller: Member,
    row: KeptLabel,
    body: Annotated[labels.AnnotationUpdate, Depends(sent(labels.AnnotationUpdate))],
    gate: Gate,
) -> Answer:
    """Another class, shape or order of a label."""
    changes = body.changes()
    label = {name: row[name] for name in LABEL} | changes
    try:
        label["geometry"] = labels.shaped(label["type"], label["geometry"])
    except ValueError as wrong:
        raise Problem("VALIDATION_ERROR", "geometry is not valid.", str(wrong)) from None
    if "class_value" in changes:
        await must_be_classes(gate, caller, await image_row(gate, caller, row["image_number"]), label["class_value"])
    await gate.ask(PutAnnotations(annotations=[label]), stream=row["image"], caller=caller)
    return good(labels.annotation(await label_row(gate, caller, id=row["id"])))


LABEL = ("id", "class_value", "type", "geometry", "confidence", "source", "z_order")


@router.delete("/annotations/{id}", **told(Success[wire.Deleted], 400, 401, 403, 404))
async def delete_annotation(caller: Member, row: KeptLabel, gate: Gate) -> Answer:
    """The label goes."""
    await gate.ask(DropAnnotation(annotation=row["id"]), stream=row["image"], caller=caller)
    return good({"id": row["number"], "deleted": True})
