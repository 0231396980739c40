"""What people put into a batch, and how its images are split, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.acusight.conftest import data, error, picture
from tests.integration.acusight.test_batches import project
from tests.integration.acusight.test_images import LABEL

pytestmark = pytest.mark.stack
Client = httpx.AsyncClient
SHARES = {"mode": "proportions", "train_split": 60, "val_split": 40}


@pytest.fixture
async def batch(acme: Client) -> str:
    """The path of a batch that collects for a project of the classes a and b."""
    of = await project(acme, "a", "b")
    made = data(await acme.post("/data/batches", json={"name": "by hand", "project_id": of["id"]}), 201)
    return f"/data/batches/{made['id']}"


async def test_one_file(acme: Client, globex: Client, batch: str) -> None:
    image = picture()
    answer = await acme.post(f"{batch}/uploads", files={"file": ("x.gif", image)}, data={"path": "line/one"})
    told = data(answer, 201)
    (file,) = told["files"]
    assert (file["status"], file["path"], told["accepted"]) == ("stored", "line/one/x.gif", 1)
    shown = data(await acme.get(f"/data/images/{file['image_id']}"))
    assert (shown["filename"], shown["device_id"]) == ("line/one/x.gif", None)
    assert f"/data/batches/{shown['batch_id']}" == batch
    (again,) = data(await acme.post(f"{batch}/uploads", files={"file": ("y.jpg", image)}), 201)["files"]
    assert (again["status"], again["image_id"]) == ("duplicate", file["image_id"])
    error(await acme.post(f"{batch}/uploads", files={"other": ("x.jpg", image)}), 400, "VALIDATION_ERROR")
    error(await globex.post(f"{batch}/uploads", files={"file": ("x.jpg", image)}), 404, "NOT_FOUND")
    large = picture() + b"\0" * (50 << 20)
    error(await acme.post(f"{batch}/uploads", files={"file": ("x.jpg", large)}), 413, "PAYLOAD_TOO_LARGE")
    data(await acme.patch(batch, json={"status": "complete"}))
    error(await acme.post(f"{batch}/uploads", files={"file": ("z.jpg", picture())}), 409, "INVALID_STATE")


async def test_many_files(acme: Client, batch: str) -> None:
    path, keyed = f"{batch}/uploads/stream", {"Idempotency-Key": str(uuid4())}
    good = picture()
    files = [("files", (name, bytes)) for name, bytes in (
        ("a.png", picture("PNG")), ("b.jpg", good), ("c.jpg", good), ("d.txt", b"no picture"), ("e.jpg", picture()),
        ("f.jpg", picture()),
    )]  # fmt: skip
    form = {"files": files, "data": {"paths": "a.png\nb.jpg\nc.jpg\nd.txt\n../e.jpg\n/f.jpg"}, "headers": keyed}
    told = data(await acme.post(path, **form), 202)  # type: ignore[arg-type]
    states = [one["status"] for one in told["files"]]
    assert states == ["stored", "stored", "duplicate", "rejected", "rejected", "rejected"]
    assert (told["accepted"], told["rejected"]) == (2, 3)
    assert data(await acme.get(batch))["image_count"] == 2
    again = data(await acme.post(path, **form), 202)  # type: ignore[arg-type]
    assert [one["image_id"] for one in again["files"]] == [one["image_id"] for one in told["files"]]
    error(await acme.post(path, files=files[:1], headers=keyed), 409, "CONFLICT")
    wrong = error(await acme.post(path, files=files[:2], data={"paths": "a"}), 400, "VALIDATION_ERROR")
    assert wrong["details"].startswith("paths: ")
    too_many = [("files", (f"{n}.jpg", b"x")) for n in range(51)]
    error(await acme.post(path, files=too_many), 413, "PAYLOAD_TOO_LARGE")
    assert data(await acme.get(batch))["image_count"] == 2


async def filled(keeper: Client, batch: str) -> list[str]:
    """Paths of six images, each with a label."""
    files = [("files", (f"{n}.jpg", picture())) for n in range(6)]
    told = data(await keeper.post(f"{batch}/uploads/stream", files=files), 202)["files"]
    for n, one in enumerate(told):
        label = LABEL | {"image_id": one["image_id"], "class_value": "ab"[n % 2]}
        data(await keeper.post("/data/annotations", json=label), 201)
    return [f"/data/images/{one['image_id']}" for one in told]


async def splits(keeper: Client, images: list[str]) -> list[str]:
    return [data(await keeper.get(image))["split"] for image in images]


async def test_a_split_is_the_same_again_and_leaves_what_is_locked(acme: Client, batch: str) -> None:
    images, path = await filled(acme, batch), f"{batch}/images/split"
    assert data(await acme.put(path, json=SHARES))["total"] == 0
    data(await acme.patch(images[0], json={"split": "test", "split_locked": True}))
    told = data(await acme.put(path, json=SHARES | {"mark_all_complete": True}))
    assert (told["total"], told["moved_count"], told["locked_count"], told["kept_count"]) == (6, 5, 1, 0)
    assert (told["train_count"], told["val_count"], told["test_count"]) == (3, 2, 1)
    assert {value: sum(spread.values()) for value, spread in told["class_distribution"].items()} == {"a": 3, "b": 3}
    assert told["class_targets"]["a"] == {"train": 1.8, "val": 1.2, "test": 0}
    assert data(await acme.get(images[0]))["annotation_status"] == "completed"
    before = await splits(acme, images)
    assert data(await acme.put(path, json=SHARES | {"force_reassignment": True}))["moved_count"] == 0
    assert await splits(acme, images) == before
    everything = {"mode": "all", "target": "val", "force_reassignment": True}
    assert data(await acme.put(path, json=everything))["split_counts"] == {"train": 0, "val": 5, "test": 1}
    assert await splits(acme, images) == ["test", *["val"] * 5]


async def test_a_split_takes_up_what_was_rejected_and_promotes(acme: Client, globex: Client, batch: str) -> None:
    images, path = await filled(acme, batch), f"{batch}/images/split"
    for status in ("completed", "rejected"):
        data(await acme.patch(images[0], json={"annotation_status": status}))
    body = SHARES | {"mark_all_complete": True, "promote_to_dataset": True}
    error(await acme.put(path, json=body), 409, "INVALID_STATE")
    assert set(await splits(acme, images)) == {"none"}
    data(await acme.patch(batch, json={"status": "complete"}))
    told = data(await acme.put(path, json=body))
    assert told["moved_count"] == 6
    assert data(await acme.get(batch))["stage"] == "dataset"
    assert data(await acme.get(images[0]))["annotation_status"] == "completed"
    few = data(await acme.put(path, json={"mode": "existing"}))
    assert (few["kept_count"], few["class_targets"]) == (6, {"a": {}, "b": {}})
    error(await globex.put(path, json=body), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "mode"),
        ({"mode": "some"}, "mode"),
        ({"mode": "all"}, "target"),
        ({"mode": "proportions"}, "train_split"),
        ({"mode": "proportions", "train_split": 50, "val_split": 40}, "train_split"),
        ({"mode": "proportions", "train_split": -1}, "train_split"),
        (SHARES | {"completed_only": None}, "completed_only"),
    ],
)
async def test_what_cannot_be_split(acme: Client, batch: str, body: dict[str, Any], field: str) -> None:
    assert error(await acme.put(f"{batch}/images/split", json=body), 400, "VALIDATION_ERROR")["details"].startswith(
        field
    )
