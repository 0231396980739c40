"""Pictures of devices, their batches and labels over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from tests.integration.acusight.conftest import Enrol, data, error, picture

pytestmark = pytest.mark.stack
Client = httpx.AsyncClient
LABEL = {"class_value": "defect", "type": "bbox", "geometry": [0.5, 0.5, 0.2, 0.1], "confidence": 0.9}


async def send(device: Client, image: bytes, name: str = "a.jpg", **metadata: Any) -> httpx.Response:
    form = {"metadata": orjson.dumps(metadata).decode()}
    return await device.post("/device/images/upload", files={"image": (name, image)}, data=form)


async def test_a_picture_joins_the_batch_of_its_device(acme: Client, enrol: Enrol) -> None:
    device = await enrol(acme, name="Line")
    first = data(await send(device, picture(), "../weird näme.jpg", source="cam", annotations=[LABEL]), 201)
    second = data(await send(device, picture("PNG"), "b.png"), 201)
    assert first["accepted"] is True
    assert first["batch_id"] == second["batch_id"]
    assert first["storage_key"].startswith("raw-data/")
    shown = data(await acme.get(f"/data/images/{first['image_id']}", params={"include_image_url": True}))
    assert (shown["filename"], shown["width"], shown["height"]) == ("weird näme.jpg", 96, 72)
    assert (shown["device_id"], shown["annotation_status"]) == (device.headers["x-id"], "in_progress")
    (label,) = shown["annotations"]
    assert (label["source"], label["x_center"], label["class_value"]) == ("edge", 0.5, "defect")
    assert "image_url" in shown
    batch = data(await acme.get(f"/data/batches/{first['batch_id']}"))
    assert (batch["image_count"], batch["status"], batch["stage"]) == (2, "collecting", "unassigned")
    assert batch["name"].startswith("Line ")


async def test_same_bytes_and_similar_frames(acme: Client, enrol: Enrol) -> None:
    device = await enrol(acme)
    image = picture("PNG", seed=None)
    kept = data(await send(device, image), 201)
    told = error(await send(device, image), 409, "CONFLICT")
    assert told["details"] == str(kept["image_id"])
    near = image + b"\0" * 9
    dropped = data(await send(device, near))
    assert dropped == {
        "image_id": None, "batch_id": None, "storage_key": None, "accepted": False, "reason": "similar_frame",
    }  # fmt: skip
    assert data(await acme.get(f"/data/batches/{kept['batch_id']}"))["dropped_count"] == 1
    assert data(await send(device, near, force=True), 201)["batch_id"] == kept["batch_id"]


async def test_what_is_refused_leaves_nothing(acme: Client, enrol: Enrol) -> None:
    device = await enrol(acme)
    before = (await acme.get("/data/images")).json()["meta"]["total"]
    error(await send(device, b"GIF89a" + b"x" * 99), 415, "UNSUPPORTED_MEDIA_TYPE")
    error(await send(device, picture()[:40]), 400, "VALIDATION_ERROR")
    error(await send(device, picture() + b"\0" * (50 << 20)), 413, "PAYLOAD_TOO_LARGE")
    wrong = LABEL | {"geometry": [0.5, 0.5, 2]}
    assert (
        "annotations.0" in error(await send(device, picture(), annotations=[wrong]), 400, "VALIDATION_ERROR")["details"]
    )
    error(await device.post("/device/images/upload", data={"metadata": "{}"}), 400, "VALIDATION_ERROR")
    error(await device.post("/device/images/upload", content=b"{}"), 400, "VALIDATION_ERROR")
    bad = await device.post("/device/images/upload", files={"image": ("a.jpg", picture())}, data={"metadata": "{"})
    error(bad, 400, "VALIDATION_ERROR")
    assert (await acme.get("/data/images")).json()["meta"]["total"] == before


async def test_a_repeat_with_its_key_is_one_picture(acme: Client, enrol: Enrol) -> None:
    device = await enrol(acme)
    device.headers["Idempotency-Key"] = str(uuid4())
    image = picture()
    first, second = [data(await send(device, image), 201) for _ in range(2)]
    assert first == second


async def test_a_batch_is_completed_and_moved(acme: Client, enrol: Enrol) -> None:
    project = data(
        await acme.post("/data/projects", json={"name": f"P {uuid4()}", "classes": [{"value": "defect"}]}), 201
    )
    device = await enrol(acme)
    kept = data(await send(device, picture()), 201)
    path = f"/data/batches/{kept['batch_id']}"
    error(await acme.patch(path, json={"stage": "review"}), 409, "INVALID_STATE")
    moved = data(await acme.patch(path, json={"status": "complete", "project_id": project["id"]}))
    assert (moved["status"], moved["stage"], moved["project_name"]) == ("complete", "annotating", project["name"])
    assert moved["completed_at"] is not None
    assert data(await acme.patch(path, json={"stage": "dataset"}))["stage"] == "dataset"
    error(await acme.patch(path, json={"project_id": 1}), 400, "VALIDATION_ERROR")
    listed = (await acme.get("/data/batches", params={"project_id": project["id"]})).json()
    assert [row["id"] for row in listed["data"]] == [kept["batch_id"]]
    assert data(await acme.get(f"/data/projects/{project['id']}"))["image_count"] == 1
    another = data(await send(device, picture()), 201)
    assert another["batch_id"] != kept["batch_id"]


async def test_labels(acme: Client, enrol: Enrol) -> None:
    image = data(await send(await enrol(acme), picture()), 201)["image_id"]
    made = data(await acme.post("/data/annotations", json=LABEL | {"image_id": image}), 201)
    assert (made["source"], made["image_id"]) == ("manual", image)
    assert data(await acme.get(f"/data/images/{image}"))["annotation_status"] == "in_progress"
    path = f"/data/annotations/{made['id']}"
    assert data(await acme.patch(path, json={"class_value": "scratch"}))["class_value"] == "scratch"
    told = error(await acme.patch(path, json={"geometry": [0.1, 0.2]}), 400, "VALIDATION_ERROR")["details"]
    assert told.startswith("geometry: a bbox")
    lacks = error(
        await acme.post("/data/annotations", json=LABEL | {"image_id": image, "geometry": []}), 400, "VALIDATION_ERROR"
    )
    assert lacks["details"] == told
    several = {"annotations": [LABEL, LABEL | {"type": "polygon", "geometry": [0, 0, 1, 0, 1, 1]}]}
    put = data(await acme.put(f"/data/images/{image}/annotations", json=several | {"annotation_status": "completed"}))
    assert [one["type"] for one in put] == ["bbox", "polygon"]
    listed = (await acme.get("/data/annotations", params={"image_id": image})).json()
    assert listed["meta"]["total"] == 2
    assert data(await acme.delete(f"/data/annotations/{put[0]['id']}")) == {"id": put[0]["id"], "deleted": True}
    error(await acme.delete(f"/data/annotations/{put[0]['id']}"), 404, "NOT_FOUND")
    shown = data(await acme.patch(f"/data/images/{image}", json={"annotation_status": "approved", "split": "train"}))
    assert (shown["annotation_status"], shown["split"]) == ("approved", "train")
    error(await acme.patch(f"/data/images/{image}", json={"annotation_status": "unannotated"}), 409, "INVALID_STATE")


async def test_pictures_of_another_organisation(acme: Client, globex: Client, enrol: Enrol) -> None:
    image = picture()
    kept = data(await send(await enrol(acme), image), 201)
    error(await globex.get(f"/data/images/{kept['image_id']}"), 404, "NOT_FOUND")
    error(await globex.patch(f"/data/batches/{kept['batch_id']}", json={"name": "x"}), 404, "NOT_FOUND")
    error(await globex.post("/data/annotations", json=LABEL | {"image_id": kept["image_id"]}), 404, "NOT_FOUND")
    data(await send(await enrol(globex), image), 201)


async def test_a_version_is_frozen(acme: Client, globex: Client, enrol: Enrol) -> None:
    project = data(await acme.post("/data/projects", json={"name": f"V {uuid4()}"}), 201)
    device = await enrol(acme)
    first = data(await send(device, picture(), annotations=[LABEL]), 201)
    for _ in range(4):
        data(await send(device, picture(), annotations=[LABEL]), 201)
    data(await send(device, picture()), 201)
    body = {"project_id": project["id"], "train_split": 60, "val_split": 20, "test_split": 20}
    error(await acme.post("/data/datasets", json=body), 409, "INVALID_STATE")
    error(await acme.post("/data/datasets", json=body | {"val_split": 50}), 400, "VALIDATION_ERROR")
    path = f"/data/batches/{first['batch_id']}"
    data(await acme.patch(path, json={"status": "complete", "project_id": project["id"]}))
    data(await acme.patch(path, json={"stage": "dataset"}))
    made = data(await acme.post("/data/datasets", json=body), 201)
    assert (made["name"], made["version"], made["status"]) == ("v1", 1, "ready")
    assert (made["image_count"], made["annotation_count"], made["classes"]) == (5, 5, ["defect"])
    assert made["split_counts"] == {"train": 3, "val": 1, "test": 1}
    image = data(await acme.get(f"/data/images/{first['image_id']}"))
    assert (image["version_name"], image["split_locked"]) == ("v1", True)
    other = {"split": "val" if image["split"] == "train" else "train", "split_locked": False}
    error(await acme.patch(f"/data/images/{first['image_id']}", json=other), 409, "INVALID_STATE")
    error(await acme.patch(path, json={"stage": "annotating"}), 409, "INVALID_STATE")
    assert data(await acme.get(f"/data/projects/{project['id']}"))["classes"] == [{"value": "defect", "index": 0}]
    assert data(await acme.post("/data/datasets", json=body), 201)["name"] == "v2"
    error(await acme.post("/data/datasets", json=body | {"name": "v1"}), 409, "CONFLICT")
    listed = (await acme.get("/data/datasets", params={"project_id": project["id"]})).json()
    assert [row["version"] for row in listed["data"]] == [2, 1]
    error(await globex.get(f"/data/datasets/{made['id']}"), 404, "NOT_FOUND")
    error(await globex.post("/data/datasets", json=body), 404, "NOT_FOUND")
