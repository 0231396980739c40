"""Trainings, models and exports over HTTP; a model comes in as an Nx function does."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infra.commands import Commands
from schemas.base import asking
from schemas.ids import number_of
from schemas.models.messages import FailTraining, ReportTraining, StartTraining
from tests.integration.acusight.conftest import Enrol, data, error, picture
from tests.integration.nx.calls import network, ready
from tests.integration.nx.conftest import signed_in

pytestmark = pytest.mark.stack
Client = httpx.AsyncClient
LABEL = {"class_value": "defect", "type": "bbox", "geometry": [0.5, 0.5, 0.2, 0.1]}
META = {"total", "page", "per_page", "total_pages", "count", "limit", "offset"}


async def frozen(keeper: Client, device: Client, **shares: int) -> dict[str, Any]:
    """A version of three labelled pictures."""
    project = data(await keeper.post("/data/projects", json={"name": f"p {uuid4()}"}), 201)
    for _ in range(3):
        image = data(await device.post("/device/images/upload", files={"image": ("a.jpg", picture())}), 201)
        data(await keeper.post("/data/annotations", json=LABEL | {"image_id": image["image_id"]}), 201)
    path = f"/data/batches/{image['batch_id']}"
    data(await keeper.patch(path, json={"status": "complete", "project_id": project["id"]}))
    data(await keeper.patch(path, json={"stage": "dataset"}))
    return dict(data(await keeper.post("/data/datasets", json={"project_id": project["id"], **shares}), 201))


@pytest.fixture
async def version(acme: Client, enrol: Enrol) -> dict[str, Any]:
    """With pictures to train on and pictures to check with."""
    return await frozen(acme, await enrol(acme), train_split=60, val_split=40)


async def test_a_training_waits_in_its_queue_and_is_cancelled(
    acme: Client, globex: Client, version: dict[str, Any]
) -> None:
    body = {"dataset_version_id": version["id"], "hyperparameters": {"epochs": 5, "mosaic": 0.5}}
    keyed = {"Idempotency-Key": str(uuid4())}
    job = data(await acme.post("/ml/training-jobs", json=body, headers=keyed), 201)
    assert (job["status"], job["progress"], job["total_epochs"]) == ("queued", 0, 5)
    assert (job["dataset_version_id"], job["project_id"]) == (version["id"], version["project_id"])
    assert (job["architecture"], job["name"]) == ("detector-small", "detector-small on v1")
    usual = {"batch_size": 16, "image_size": 640, "learning_rate": 0.001, "patience": 0, "seed": 0}
    assert job["hyperparameters"] == usual | {"epochs": 5, "mosaic": 0.5}
    assert data(await acme.post("/ml/training-jobs", json=body, headers=keyed), 201) == job
    error(await acme.post("/ml/training-jobs", json=body | {"name": "x"}, headers=keyed), 409, "CONFLICT")
    path = f"/ml/training-jobs/{job['id']}"
    assert data(await acme.get(path)) == job
    params = {"project_id": version["project_id"], "status": "queued"}
    listed = (await acme.get("/ml/training-jobs", params=params)).json()
    assert ([one["id"] for one in listed["data"]], set(listed["meta"])) == ([job["id"]], META)
    assert (await globex.get("/ml/training-jobs", params=params)).json()["meta"]["total"] == 0
    for answer in (await globex.get(path), await globex.post(f"{path}/cancel"), await globex.get(f"{path}/metrics")):
        error(answer, 404, "NOT_FOUND")
    cancelled = data(await acme.post(f"{path}/cancel"))
    assert (cancelled["status"], cancelled["completed_at"] is None) == ("cancelled", False)
    error(await acme.post(f"{path}/cancel"), 409, "INVALID_STATE")


async def test_what_a_worker_tells_shows(
    acme: Client, stack: dict[str, Any], log: Commands, version: dict[str, Any]
) -> None:
    body = {"dataset_version_id": version["id"], "name": "first"}
    job = data(await acme.post("/ml/training-jobs", json=body), 201)
    path = f"/ml/training-jobs/{job['id']}"
    organisation = stack["organisations"]["acme"]["id"]
    rows = "select id, number from models.trainings where organisation = $1 order by created_at desc limit 1"
    async with log.read(organisation) as db:
        row = await db.fetchrow(rows, organisation)
    assert row["number"] == job["id"] == number_of(row["id"])

    async def tell(command: Any) -> dict[str, Any]:
        await log.submit(command, asking(row["id"], organisation=organisation, actor="worker"))
        return dict(data(await acme.get(path)))

    assert (await tell(StartTraining(lease="l", worker="w")))["status"] == "preparing"
    for epoch, loss in ((1, 0.5), (2, 0.7)):
        report = ReportTraining(
            lease="l", epoch=epoch, progress=epoch / 50, metrics={"val_loss": loss}, best=epoch == 1
        )
        shown = await tell(report)
    assert (shown["status"], shown["current_epoch"], shown["progress"]) == ("running", 2, 0.04)
    assert (shown["metrics"], shown["best_metrics"]) == ({"val_loss": 0.7}, {"val_loss": 0.5})
    curve = data(await acme.get(f"{path}/metrics"))
    assert [(one["epoch"], one["metrics"]) for one in curve] == [(1, {"val_loss": 0.5}), (2, {"val_loss": 0.7})]
    shown = await tell(FailTraining(lease="l", message="The loss is not a number."))
    assert (shown["status"], shown["error_message"]) == ("failed", "The loss is not a number.")
    error(await acme.post(f"{path}/cancel"), 409, "INVALID_STATE")


async def test_what_cannot_be_trained(acme: Client, globex: Client, enrol: Enrol, version: dict[str, Any]) -> None:
    good = {"dataset_version_id": version["id"]}
    for wrong, field in (
        ({"dataset_version_id": "7"}, "dataset_version_id"),
        ({"hyperparameters": {"epochs": 0}}, "hyperparameters.epochs"),
        ({"hyperparameters": {"learning_rate": "fast"}}, "hyperparameters.learning_rate"),
        ({"hyperparameters": {"note": "\0"}}, "hyperparameters"),
        ({"architecture": "giant"}, "architecture"),
        ({"project_id": version["project_id"] + 1}, "project_id"),
        ({"name": ""}, "name"),
    ):
        answer = await acme.post("/ml/training-jobs", json=good | wrong)
        assert field in error(answer, 400, "VALIDATION_ERROR")["details"]
    error(await acme.post("/ml/training-jobs", content="{"), 400, "VALIDATION_ERROR")
    error(await acme.post("/ml/training-jobs", json=good | {"dataset_version_id": 5}), 404, "NOT_FOUND")
    error(await acme.post("/ml/training-jobs", json=good | {"base_model_version_id": 5}), 404, "NOT_FOUND")
    error(await globex.post("/ml/training-jobs", json=good), 404, "NOT_FOUND")
    device = await enrol(acme)
    error(await device.post("/ml/training-jobs", json=good), 401, "UNAUTHORIZED")
    unchecked = {"dataset_version_id": (await frozen(acme, device, train_split=100))["id"]}
    assert "val" in error(await acme.post("/ml/training-jobs", json=unchecked), 409, "INVALID_STATE")["message"]
    error(await acme.get("/ml/training-jobs", params={"status": "lazy"}), 400, "VALIDATION_ERROR")
    error(await acme.get("/ml/training-jobs/5"), 404, "NOT_FOUND")
    error(await acme.get("/ml/training-jobs/five"), 400, "VALIDATION_ERROR")


async def test_a_function_of_nx_is_a_model_here(acme: Client, globex: Client, function: dict[str, Any]) -> None:
    id = number_of(function["UUID"])
    model = data(await acme.get(f"/ml/models/{id}"))
    assert (model["name"], model["version"], model["status"], model["source"]) == ("net", "1", "ready", "uploaded")
    assert (model["label_map"], model["stage"], model["file_ext"]) == ('{"0":"person","1":"bike"}', "candidate", "onnx")
    assert (model["task_type"], model["project_id"], model["deployed_device_count"]) == ("object_detection", 0, 0)
    listed = (await acme.get("/ml/models", params={"stage": "candidate"})).json()
    assert model in listed["data"]
    assert set(listed["meta"]) == META
    assert (await acme.get("/ml/models", params={"stage": "production"})).json()["data"] == []
    assert (await acme.get("/ml/models", params={"project_id": 5})).json()["data"] == []
    assert id not in [one["id"] for one in (await globex.get("/ml/models")).json()["data"]]
    error(await globex.get(f"/ml/models/{id}"), 404, "NOT_FOUND")
    error(await acme.get("/ml/models", params={"stage": "old"}), 400, "VALIDATION_ERROR")


async def test_a_device_that_reports_a_model_counts(acme: Client, enrol: Enrol, function: dict[str, Any]) -> None:
    id, device = number_of(function["UUID"]), await enrol(acme)
    beat = {"device_id": device.headers["x-id"], "current_model_id": str(id)}
    assert (await device.post("/core/agent/checkin", json=beat)).status_code == 200
    for _ in range(100):
        if data(await acme.get(f"/ml/models/{id}"))["deployed_device_count"]:
            break
    else:
        pytest.fail("the device was not counted")
    data(await acme.delete(f"/core/devices/{device.headers['x-id']}"))
    assert data(await acme.get(f"/ml/models/{id}"))["deployed_device_count"] == 0


async def test_an_export_has_the_file(acme: Client, globex: Client, nobody: Client, function: dict[str, Any]) -> None:
    id = number_of(function["UUID"])
    keyed = {"Idempotency-Key": str(uuid4())}
    job = data(await acme.post("/ml/export-jobs", json={"model_version_id": id}, headers=keyed), 201)
    assert (job["status"], job["format"], job["precision"], job["progress"]) == ("completed", "onnx", "fp32", 1)
    file = (await nobody.get(job["download_url"])).content
    assert (len(file), hashlib.sha256(file).hexdigest()) == (job["size_bytes"], job["sha256"])
    assert data(await acme.get(f"/ml/models/{id}"))["sha256"] == job["sha256"]
    same = {"model_version_id": id, "image_size": 32, "opset": 17}
    assert data(await acme.post("/ml/export-jobs", json=same), 201)["id"] == job["id"]
    error(await acme.post("/ml/export-jobs", json=same, headers=keyed), 409, "CONFLICT")
    shown = data(await acme.get(f"/ml/export-jobs/{job['id']}"))
    assert shown | {"download_url": ""} == job | {"download_url": ""}
    listed = (await acme.get("/ml/export-jobs", params={"model_version_id": id})).json()
    assert ([one["id"] for one in listed["data"]], set(listed["meta"])) == ([job["id"]], META)
    assert (await globex.get("/ml/export-jobs")).json()["meta"]["total"] == 0
    error(await globex.get(f"/ml/export-jobs/{job['id']}"), 404, "NOT_FOUND")
    error(await globex.post("/ml/export-jobs", json={"model_version_id": id}), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("wrong", "status", "code", "field"),
    [
        ({"format": "tflite"}, 501, "NOT_IMPLEMENTED", "format"),
        ({"precision": "fp16"}, 501, "NOT_IMPLEMENTED", "precision"),
        ({"image_size": 64}, 501, "NOT_IMPLEMENTED", "image_size"),
        ({"opset": 12}, 501, "NOT_IMPLEMENTED", "opset"),
        ({"dynamic_batch": True}, 501, "NOT_IMPLEMENTED", "dynamic_batch"),
        ({"format": "cobol"}, 400, "VALIDATION_ERROR", "format"),
        ({"precision": "int8"}, 400, "VALIDATION_ERROR", "calibration_dataset_version_id"),
        ({"precision": "int8", "calibration_dataset_version_id": 5}, 404, "NOT_FOUND", ""),
        ({"image_size": 0}, 400, "VALIDATION_ERROR", "image_size"),
        ({"model_version_id": 5}, 404, "NOT_FOUND", ""),
        ({"model_version_id": None}, 400, "VALIDATION_ERROR", "model_version_id"),
    ],
)
async def test_what_cannot_be_exported(
    acme: Client, function: dict[str, Any], wrong: dict[str, Any], status: int, code: str, field: str
) -> None:
    answer = await acme.post("/ml/export-jobs", json={"model_version_id": number_of(function["UUID"])} | wrong)
    assert field in error(answer, status, code).get("details", "")


async def test_a_model_that_failed_its_check_has_no_export(acme: Client, stack: dict[str, Any]) -> None:
    nx = await signed_in(stack, "acme")
    form = {"data": (None, b'{"Name": "chip", "EnableConversions": ["mxa"]}'), "file": ("n.onnx", network(scale=0.125))}
    made = (await nx.post("/cpt/functions", files=form)).json()
    await ready(nx, made["UUID"], "error")
    id = number_of(made["UUID"])
    assert data(await acme.get(f"/ml/models/{id}"))["status"] == "failed"
    error(await acme.post("/ml/export-jobs", json={"model_version_id": id}), 409, "INVALID_STATE")
    assert (await nx.delete(f"/cpt/function/{made['UUID']}")).status_code == 200
    error(await acme.get(f"/ml/models/{id}"), 404, "NOT_FOUND")
    await nx.aclose()
