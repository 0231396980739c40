"""Batches, projects and versions over HTTP: who assigns them, what a class is fixed by, what goes and what stays."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.acusight.conftest import Enrol, data, error, picture
from tests.integration.acusight.test_images import LABEL, send

pytestmark = pytest.mark.stack
Client = httpx.AsyncClient


async def project(keeper: Client, *classes: str) -> dict[str, Any]:
    body = {"name": f"p {uuid4()}", "classes": [{"value": value} for value in classes]}
    return dict(data(await keeper.post("/data/projects", json=body), 201))


async def batch(keeper: Client, id: int) -> dict[str, Any]:
    return dict(data(await keeper.get(f"/data/batches/{id}")))


async def assigning(keeper: Client, enrol: Enrol) -> tuple[Client, dict[str, Any]]:
    """A device whose batches go to a project."""
    device, to = await enrol(keeper), await project(keeper)
    body = {"auto_assign_project_id": to["id"]}
    data(await keeper.patch(f"/core/devices/{device.headers['x-id']}", json=body))
    return device, to


async def test_a_batch_that_closes_goes_to_the_project_of_its_device(acme: Client, enrol: Enrol) -> None:
    device, to = await assigning(acme, enrol)
    id = data(await send(device, picture()), 201)["batch_id"]
    data(await acme.patch(f"/data/batches/{id}", json={"status": "complete"}))
    for _ in range(100):
        if (row := await batch(acme, id))["project_id"]:
            break
        await asyncio.sleep(0.05)
    assert (row["project_id"], row["stage"]) == (to["id"], "annotating")


async def test_what_a_person_assigned_stays(acme: Client, enrol: Enrol) -> None:
    device, auto = await assigning(acme, enrol)
    other = await project(acme)
    early = data(await send(device, picture()), 201)["batch_id"]
    data(await acme.patch(f"/data/batches/{early}", json={"project_id": other["id"]}))
    assert (await batch(acme, early))["status"] == "collecting"
    assert data(await send(device, picture()), 201)["batch_id"] == early
    data(await acme.patch(f"/data/batches/{early}", json={"status": "complete"}))
    late = data(await send(device, picture()), 201)["batch_id"]
    data(await acme.patch(f"/data/batches/{late}", json={"status": "complete"}))
    for _ in range(100):
        if (await batch(acme, late))["project_id"]:
            break
        await asyncio.sleep(0.05)
    assert (await batch(acme, late))["project_id"] == auto["id"]
    assert (await batch(acme, early))["project_id"] == other["id"]


async def test_classes_of_devices_are_the_projects(acme: Client, enrol: Enrol) -> None:
    to = await project(acme, "known")
    kept = data(await send(await enrol(acme), picture(), annotations=[LABEL | {"class_value": "new"}]), 201)
    data(await acme.patch(f"/data/batches/{kept['batch_id']}", json={"project_id": to["id"]}))
    assert data(await acme.get(f"/data/projects/{to['id']}"))["classes"] == [{"value": "known"}, {"value": "new"}]
    body = LABEL | {"image_id": kept["image_id"]}
    data(await acme.post("/data/annotations", json=body | {"class_value": "new"}), 201)
    told = error(await acme.post("/data/annotations", json=body | {"class_value": "mine"}), 400, "VALIDATION_ERROR")
    assert told["details"].startswith("class_value: ")


async def test_a_batch_of_a_project_that_is_gone(acme: Client) -> None:
    of = await project(acme)
    made = data(await acme.post("/data/batches", json={"name": "m", "project_id": of["id"]}), 201)
    path = f"/data/batches/{made['id']}"
    assert (made["stage"], made["status"]) == ("annotating", "collecting")
    data(await acme.patch(path, json={"status": "complete"}))
    data(await acme.delete(f"/data/projects/{of['id']}"))
    left = data(await acme.get(path))
    assert (left["project_id"], left["stage"]) == (None, "unassigned")
    listed = (await acme.get("/data/batches", params={"project_id": "null", "stage": "unassigned"})).json()["data"]
    assert made["id"] in [row["id"] for row in listed]
    error(await acme.patch(path, json={"stage": "review"}), 409, "INVALID_STATE")
    again = await project(acme)
    assert data(await acme.patch(path, json={"project_id": again["id"]}))["stage"] == "annotating"


async def test_what_is_deleted(acme: Client, globex: Client, nobody: Client, enrol: Enrol) -> None:
    device, bytes = await enrol(acme), picture()
    one, two = [data(await send(device, image, annotations=[LABEL]), 201) for image in (bytes, picture())]
    path = f"/data/images/{one['image_id']}"
    link = data(await acme.get(path, params={"include_image_url": True}))["image_url"]
    (label,) = data(await acme.get(path))["annotations"]
    error(await globex.delete(path), 404, "NOT_FOUND")
    assert data(await acme.delete(path)) == {"id": one["image_id"], "deleted": True}
    for answer in (
        await acme.get(path),
        await acme.delete(path),
        await acme.delete(f"/data/annotations/{label['id']}"),
    ):
        error(answer, 404, "NOT_FOUND")
    assert (await nobody.get(link)).status_code == 404
    again = data(await send(device, bytes, force=True), 201)
    whole = f"/data/batches/{again['batch_id']}"
    error(await globex.delete(whole), 404, "NOT_FOUND")
    assert data(await acme.delete(whole)) == {"id": again["batch_id"], "deleted": True}
    for gone in (whole, f"/data/images/{two['image_id']}", f"/data/images/{again['image_id']}"):
        error(await acme.get(gone), 404, "NOT_FOUND")
    assert data(await send(device, bytes, force=True), 201)["batch_id"] != again["batch_id"]


async def labelled(keeper: Client, device: Client, of: dict[str, Any]) -> dict[str, Any]:
    """One picture with a label, in a complete batch of the project."""
    kept = data(await send(device, picture(), annotations=[LABEL]), 201)
    body = {"status": "complete", "project_id": of["id"], "stage": "dataset"}
    data(await keeper.patch(f"/data/batches/{kept['batch_id']}", json=body))
    return dict(kept)


async def test_what_a_version_holds_stays_until_it_goes(acme: Client, globex: Client, enrol: Enrol) -> None:
    of = await project(acme)
    kept = await labelled(acme, await enrol(acme), of)
    image, whole = f"/data/images/{kept['image_id']}", f"/data/batches/{kept['batch_id']}"
    first, second = [data(await acme.post("/data/datasets", json={"project_id": of["id"]}), 201) for _ in range(2)]
    for path, body in ((image, None), (whole, None), (whole, {"stage": "annotating"}), (whole, {"project_id": None})):
        error(await (acme.patch(path, json=body) if body else acme.delete(path)), 409, "INVALID_STATE")
    error(await globex.delete(f"/data/datasets/{second['id']}"), 404, "NOT_FOUND")
    assert data(await acme.delete(f"/data/datasets/{second['id']}")) == {"id": second["id"], "deleted": True}
    error(await acme.get(f"/data/datasets/{second['id']}"), 404, "NOT_FOUND")
    assert data(await acme.get(image))["version_name"] == "v1"
    error(await acme.delete(image), 409, "INVALID_STATE")
    third = data(await acme.post("/data/datasets", json={"project_id": of["id"]}), 201)
    assert third["version"] == 3
    for one in (third, first):
        data(await acme.delete(f"/data/datasets/{one['id']}"))
    shown = data(await acme.get(image))
    assert (shown["version_name"], shown["split_locked"]) == (None, True)
    assert data(await acme.patch(whole, json={"stage": "annotating"}))["stage"] == "annotating"
    data(await acme.delete(image))


async def test_a_version_that_is_learnt_from_stays(acme: Client, enrol: Enrol) -> None:
    of, device = await project(acme), await enrol(acme)
    for _ in range(3):
        await labelled(acme, device, of)
    body = {"project_id": of["id"], "train_split": 0.6, "val_split": 0.4}
    made = data(await acme.post("/data/datasets", json=body), 201)
    job = data(await acme.post("/ml/training-jobs", json={"dataset_version_id": made["id"]}), 201)
    data(await acme.post(f"/ml/training-jobs/{job['id']}/cancel"))
    error(await acme.delete(f"/data/datasets/{made['id']}"), 409, "INVALID_STATE")


async def test_the_index_of_a_class_is_fixed_by_a_version(acme: Client, enrol: Enrol) -> None:
    of = await project(acme, "other")
    path = f"/data/projects/{of['id']}"
    data(await acme.patch(path, json={"classes": [{"value": "other", "index": 7}]}))
    await labelled(acme, await enrol(acme), of)
    data(await acme.post("/data/datasets", json={"project_id": of["id"]}), 201)
    both = [{"value": "other", "index": 0}, {"value": "defect", "index": 1}]
    assert data(await acme.get(path))["classes"] == both
    for wrong in ([both[0]], [both[0], {"value": "defect", "index": 2}]):
        assert "defect" in error(await acme.patch(path, json={"classes": wrong}), 409, "INVALID_STATE")["details"]
    taken = [*both, {"value": "third", "index": 1}]
    error(await acme.patch(path, json={"classes": taken}), 400, "VALIDATION_ERROR")
    more = [{"value": "third"}, {"value": "defect", "color": "#112233"}, {"value": "other"}]
    shown = data(await acme.patch(path, json={"classes": more}))["classes"]
    assert {one["value"]: one.get("index") for one in shown} == {"third": None, "defect": 1, "other": 0}


async def test_what_no_version_is_made_of(acme: Client, globex: Client, enrol: Enrol) -> None:
    of, theirs = await project(acme), await project(globex)
    other = data(await acme.post("/data/batches", json={"name": "elsewhere"}), 201)
    foreign = data(await globex.post("/data/batches", json={"name": "theirs", "project_id": theirs["id"]}), 201)
    for wrong, field in (
        ({"batch_ids": [5]}, "batch_ids"),
        ({"batch_ids": [other["id"]]}, "batch_ids"),
        ({"batch_ids": [foreign["id"]]}, "batch_ids"),
        ({"train_split": 0.5, "val_split": 0.2}, "train_split"),
    ):
        answer = await acme.post("/data/datasets", json={"project_id": of["id"]} | wrong)
        assert error(answer, 400, "VALIDATION_ERROR")["details"].startswith(field)
    error(await acme.post("/data/datasets", json={"project_id": theirs["id"]}), 404, "NOT_FOUND")
    error(await acme.post("/data/datasets", json={"project_id": of["id"]}), 409, "INVALID_STATE")
