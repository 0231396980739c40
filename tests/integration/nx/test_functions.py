"""Models: uploaded in every spelling, checked by a worker, listed, edited, removed."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.integration.nx.calls import BOXES, NIL, both, network, ready, refused, upload
from tests.unit.inference.tflite_files import packed, some_classifier


async def test_an_upload_becomes_ready(acme: httpx.AsyncClient) -> None:
    made = await upload(acme, network(), documentation="Counts **bikes**")
    assert (made["Name"], made["Documentation"], made["Version"]) == ("net", "Counts **bikes**", 1)
    assert made["Code"]["CDNURI"] == "" or made["Status"] == "ok"
    model = await ready(acme, made["UUID"])
    assert [spec["Name"] for spec in model["NamedInput"]] == ["image-", "nms_sensitivity-"]
    assert model["NamedOutput"] == [{"Name": BOXES, "DataType": "FLOAT", "Shape": [2, 6]}]
    details = {"channels": 3, "height": 32, "width": 32, "means": [1, 2, 3], "vars": [255, 255, 255], "order": 0}
    assert model["InputDriverDetails"] == details
    assert {each["Target"]: each["Status"] for each in model["Conversions"]} == dict.fromkeys(
        ("cpu", "intel", "nvidia"), "ok"
    )
    assert (await acme.get(f"/cpt/functions/{{{made['UUID'].upper()}}}")).json()["UUID"] == made["UUID"]


async def test_what_is_ready_can_be_fetched(acme: httpx.AsyncClient, model: dict[str, Any]) -> None:
    files = (await acme.get(f"/cpt/function/{model['UUID']}/files")).json()
    kinds = {file["MimeType"]: file for file in files}
    assert set(kinds) == {"application/x-onnx", "application/x-onnx; source=original"}
    answer = await acme.get(f"/cpt/function/{model['UUID']}/file/{kinds['application/x-onnx']['UUID']}")
    assert answer.status_code == 302
    assert answer.headers["location"].partition("?")[0] == model["Code"]["CDNURI"].partition("?")[0]
    refused(await acme.get(f"/cpt/function/{model['UUID']}/file/{NIL}"), 404)


async def test_the_clients_form(acme: httpx.AsyncClient) -> None:
    told = {
        "Name": "two",
        "Customization": "hanwha",
        "Alias": "t",
        "EnableConversions": ["cpu", "mxa"],
        "SourceName": "me",
    }
    parts = both(told, network(scale=2))
    made = (await acme.post("/cpt/function", files=parts)).json()
    assert (made["Name"], made["Alias"], made["Customization"]) == ("two", "t", "hanwha")
    assert made["Source"] == {"Name": "me", "Url": None}
    model = await ready(acme, made["UUID"])
    assert {each["Target"]: each["Status"] for each in model["Conversions"]} == {"cpu": "ok", "mxa": "error"}


async def test_a_teachable_machine_archive(acme: httpx.AsyncClient) -> None:
    archive = packed(model_unquant__tflite=some_classifier(), labels__txt=b"0 Cat\n1 Dog\n")
    made = await acme.post("/cpt/functions", files={"file": ("pets.zip", archive)})
    assert made.status_code == 200, made.text
    model = await ready(acme, made.json()["UUID"])
    assert (model["Name"], model["NamedOutput"][0]["Name"]) == ("pets", "scores-0:Cat;1:Dog")
    assert (model["InputDriverDetails"]["order"], model["InputDriverDetails"]["vars"]) == (1, [127.5] * 3)
    assert await kinds(acme, model["UUID"]) == {
        "application/zip; source=original",
        "application/zip; kind=teachable-machine",
        "application/x-tensorflow-lite; type=float32",
        "application/x-onnx; source=converted",
        "application/x-onnx",
    }
    files = {"file": ("net.onnx", network(scale=51))}
    assert (await acme.patch(f"/cpt/function/{model['UUID']}", files=files)).status_code == 200
    await ready(acme, model["UUID"])
    assert await kinds(acme, model["UUID"]) == {"application/x-onnx", "application/x-onnx; source=original"}


async def test_a_tflite_file(acme: httpx.AsyncClient) -> None:
    files = {"file": ("net.tflite", some_classifier(seed=1))}
    made = (await acme.post("/cpt/functions", files=files)).json()
    assert made["Code"]["CDNURI"] == "" or made["Status"] == "ok"
    assert (await ready(acme, made["UUID"]))["NamedOutput"][0]["Name"] == "out_25"
    assert "application/x-tensorflow-lite; type=float32" in await kinds(acme, made["UUID"])


async def kinds(client: httpx.AsyncClient, id: str) -> set[str]:
    return {file["MimeType"] for file in (await client.get(f"/cpt/function/{id}/files")).json()}


async def test_json_with_the_file_in_it(acme: httpx.AsyncClient) -> None:
    body = {"Name": "three", "OnnxModel": base64.b64encode(network(scale=3)).decode()}
    answer = await acme.post("/cpt/functions", json=body)
    assert answer.status_code == 200, answer.text
    refused(await acme.post("/cpt/functions", json={**body, "OnnxModel": "%%%"}), 400, "OnnxModel")
    refused(await acme.post("/cpt/functions", json={"Name": "no file"}), 400, "file")


@pytest.mark.parametrize(
    ("file", "data", "status", "field"),
    [
        (b"no graph at all", {}, 422, "file"),
        (network(opset=6), {}, 422, "file"),
        (network(output="bboxes-format:xywh;0:a"), {}, 422, "file"),
        (network(chip="abacus"), {}, 422, "file"),
        (b"PK\x03\x04rest", {}, 422, "file"),
        (packed(**{"../model__tflite": b"x"}), {}, 422, "file"),
        (b"\x1c\0\0\0TFL3" + bytes(40), {}, 422, "file"),
        (network(), {"Name": ""}, 400, "Name"),
        (network(), {"EnableConversions": ["abacus"]}, 400, "EnableConversions.0"),
        (network(), {"NamedInput": [{"Name": "x", "DataType": "float", "Shape": [1]}]}, 422, "NamedInput"),
        (network(), {"InputDriverDetails": {"vars": [1, 0, 1]}}, 422, "InputDriverDetails.vars"),
        (network(), {"InputDriverDetails": {"means": [1]}}, 422, "InputDriverDetails.means"),
        (network(), {"Catalogues": [NIL]}, 422, "Catalogues"),
        (network(), {"Site": NIL}, 422, "Site"),
    ],
)
async def test_bad_uploads_name_the_field(
    acme: httpx.AsyncClient, file: bytes, data: dict[str, Any], status: int, field: str
) -> None:
    before = (await acme.get("/cpt/functions")).headers["x-pagination-records"]
    parts = both(data, file)
    refused(await acme.post("/cpt/functions", files=parts), status, field)
    assert (await acme.get("/cpt/functions")).headers["x-pagination-records"] == before


async def test_a_model_has_one_file(acme: httpx.AsyncClient) -> None:
    refused(
        await acme.post("/cpt/functions", files=[("file", ("a", network())), ("file", ("b", network()))]), 400, "file"
    )


async def test_a_new_file_brings_its_own_layout(acme: httpx.AsyncClient) -> None:
    id = (await upload(acme, network(scale=41)))["UUID"]
    await acme.patch(f"/cpt/function/{id}", json={"InputDriverDetails": {"width": 64}})
    refused(await acme.patch(f"/cpt/function/{id}", json={"InputDriverDetails": {"vars": [0, 1, 1]}}), 422)
    parts = both({"InputDriverDetails": {"means": [4, 5, 6]}}, network(scale=42))
    shown = (await acme.patch(f"/cpt/function/{id}", files=parts)).json()["InputDriverDetails"]
    assert (shown["width"], shown["means"]) == (32, [4, 5, 6])


async def test_bodies_that_cannot_be_read(acme: httpx.AsyncClient) -> None:
    refused(await acme.post("/cpt/functions", content=b"x", headers={"content-type": "text/plain"}), 415)
    refused(await acme.post("/cpt/functions", content=b"{", headers={"content-type": "application/json"}), 400, "body")
    broken = {"content-type": "multipart/form-data; boundary=a"}
    refused(await acme.post("/cpt/functions", content=b"--b\r\n", headers=broken), 400, "body")
    refused(await acme.post("/cpt/functions", files={"data": (None, "[1]"), "file": ("a", b"x")}), 400, "data")


async def test_the_list_pages_sorts_and_filters(acme: httpx.AsyncClient, model: dict[str, Any]) -> None:
    first = await acme.get("/cpt/functions", params={"Limit": 1, "OFFSET": 0, "OrderBy": "-UpdatedAt"})
    second = await acme.get("/cpt/functions", params={"limit": 1, "offset": 1, "orderby": "-UpdatedAt"})
    total = first.headers["x-pagination-records"]
    assert (len(first.json()), len(second.json()), second.headers["x-pagination-records"]) == (1, 1, total)
    assert first.json()[0]["UUID"] != second.json()[0]["UUID"]
    params = {"Catalogue": NIL, "Customization": "metavms", "Status": "ok", "Search": "NET"}
    shown = (await acme.get("/cpt/functions", params=params)).json()
    assert model["UUID"] in [each["UUID"] for each in shown]
    none = await acme.get("/cpt/functions", params={"Search": "no such words"})
    assert (none.json(), none.headers["x-pagination-records"]) == ([], "0")
    for name, value in (("limit", 501), ("limit", 0), ("offset", -1), ("OrderBy", "Size"), ("Catalogue", "x")):
        refused(await acme.get("/cpt/functions", params={name: value}), 400, name)


async def test_an_edit_and_a_new_file(acme: httpx.AsyncClient) -> None:
    id = (await upload(acme, network(scale=4)))["UUID"]
    old = await ready(acme, id)
    edited = await acme.patch(f"/cpt/function/{id}", json={"Name": "renamed", "InputDriverDetails": {"width": 64}})
    assert (edited.json()["Name"], edited.json()["InputDriverDetails"]["width"]) == ("renamed", 64)
    assert edited.json()["InputDriverDetails"]["height"] == 32
    again = await acme.patch(f"/cpt/functions/{id}", files={"file": ("n.onnx", network(scale=5))})
    assert (again.status_code, again.json()["Version"], again.json()["Name"]) == (200, 2, "renamed")
    assert again.json()["Code"]["CDNURI"].partition("?")[0] == old["Code"]["CDNURI"].partition("?")[0]
    new = await ready(acme, id)
    assert new["Code"]["CDNURI"].partition("?")[0] != old["Code"]["CDNURI"].partition("?")[0]
    refused(await acme.patch(f"/cpt/function/{id}", json={"Name": 5}), 400, "Name")
    refused(await acme.patch(f"/cpt/function/{NIL}", json={"Name": "x"}), 404)


async def test_a_file_for_a_chip_is_added(acme: httpx.AsyncClient) -> None:
    id = (await upload(acme, network(scale=6)))["UUID"]
    before = await ready(acme, id)
    await acme.patch(f"/cpt/function/{id}", files={"file": ("hailo.onnx", network(scale=6, chip="hailo8"))})
    after = await ready(acme, id)
    kinds = {file["MimeType"] for file in (await acme.get(f"/cpt/function/{id}/files")).json()}
    assert "application/x-onnx; device=hailo" in kinds
    assert after["NamedInput"] == before["NamedInput"]
    assert {"hailo", "cpu"} <= {each["Target"] for each in after["Conversions"] if each["Status"] == "ok"}


async def test_conversions_run_again(acme: httpx.AsyncClient, model: dict[str, Any]) -> None:
    answer = await acme.post(f"/cpt/function/{model['UUID']}/conversions", json={"EnableConversions": []})
    assert answer.status_code == 202
    assert {each["Target"] for each in answer.json()} >= {"cpu", "intel", "nvidia"}
    await ready(acme, model["UUID"])
    refused(await acme.post(f"/cpt/function/{model['UUID']}/conversions", json={}), 400, "EnableConversions")


async def test_a_repeat_under_one_key_is_one_model(acme: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once-only"}
    parts = {"file": ("a.onnx", network(scale=7))}
    ids = {(await acme.post("/cpt/functions", files=parts, headers=headers)).json()["UUID"] for _ in range(2)}
    assert len(ids) == 1
    other = {"file": ("a.onnx", network(scale=8))}
    refused(await acme.post("/cpt/functions", files=other, headers=headers), 409)


async def test_a_removed_model_is_gone(acme: httpx.AsyncClient) -> None:
    id = (await upload(acme, network(scale=9)))["UUID"]
    assert (await acme.delete(f"/cpt/function/{id}")).json() == {"Message": "Done", "UUID": id}
    refused(await acme.get(f"/cpt/function/{id}"), 404)
    refused(await acme.delete(f"/cpt/function/{id}"), 404)


async def test_what_another_organisation_has_is_as_unknown_as_anything(
    globex: httpx.AsyncClient, model: dict[str, Any]
) -> None:
    for id in (model["UUID"], NIL, "not-an-id"):
        for path in ("", "/files", "/conversions"):
            assert refused(await globex.get(f"/cpt/function/{id}{path}"), 404) == {"Message": "Not found"}
        refused(await globex.delete(f"/cpt/function/{id}"), 404)
        refused(await globex.patch(f"/cpt/function/{id}", json={"Name": "mine"}), 404)
        refused(await globex.post(f"/cpt/function/{id}/conversions", json={"EnableConversions": []}), 404)
    assert model["UUID"] not in [each["UUID"] for each in (await globex.get("/cpt/functions")).json()]


async def test_counters_and_options(acme: httpx.AsyncClient, model: dict[str, Any]) -> None:
    told = (await acme.get("/cpt/functions/statistics")).json()
    assert told["Total"] >= told["ByStatus"]["ok"] >= 1
    assert "cpu" in (await acme.get("/cpt/functions/options")).json()["Targets"]
    assert (await acme.get("/cpt/configuration")).json()["MaxOpset"] == 17


async def test_catalogues_hold_models(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, model: dict[str, Any]
) -> None:
    made = (await acme.post("/cpt/catalogues", json={"Name": "Streets"})).json()
    one = f"/cpt/catalogue/{made['UUID']}"
    assert (await acme.patch(one, json={"Name": "Roads"})).json()["Name"] == "Roads"
    assert (await acme.post(f"{one}/functions", json={"FunctionUUID": model["UUID"]})).json()["Message"] == "Ok"
    assert (await acme.get(one)).json()["FunctionCount"] == 1
    listed = (await acme.get("/cpt/functions", params={"Catalogue": made["UUID"]})).json()
    assert [each["Catalogues"] for each in listed] == [[{"UUID": made["UUID"], "Name": "Roads"}]]
    refused(await acme.delete(one), 409)
    refused(await globex.get(one), 404)
    refused(await acme.post("/cpt/catalogues", json={"Name": "x", "Public": True}), 403, "Public")
    refused(await acme.post(f"{one}/functions", json={"Functions": [NIL]}), 422, "Functions")
    await acme.delete(f"{one}/function/{model['UUID']}")
    assert (await acme.delete(one)).json()["Message"] == "Done"


async def test_text_that_no_table_can_hold_stops_nobody(acme: httpx.AsyncClient, model: dict[str, Any]) -> None:
    one = f"/cpt/function/{model['UUID']}"
    refused(await acme.patch(one, json={"Documentation": "a\0b"}), 422)
    refused(await acme.patch(one, json={"InputDriverDetails": {"x\0": 1}}), 422)
    refused(await acme.post("/cpt/catalogues", json={"Name": "a\0b"}), 422)
    refused(await acme.get("/cpt/functions", params={"Search": "a\0b"}), 422)
    assert (await acme.patch(one, json={"Documentation": "ab"})).json()["Documentation"] == "ab"
