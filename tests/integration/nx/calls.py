"""Models to upload, and small steps that several tests take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from infra.commands import Commands
from infra.identity import hash_password
from schemas.base import Command, asking
from schemas.ids import new_id
from schemas.tenancy.messages import AddMember, CreateUser

NIL = "00000000-0000-0000-0000-000000000000"
BOXES = "bboxes-format:xyxysc;0:person;1:bike"


def network(*, output: str = BOXES, scale: float = 1.0, chip: str | None = None, opset: int = 17) -> bytes:
    """Constant boxes beside a picture that is looked at; every `scale` gives another file."""
    image = helper.make_tensor_value_info("image-", TensorProto.FLOAT, [1, 3, 32, 32])
    threshold = helper.make_tensor_value_info("nms_sensitivity-", TensorProto.FLOAT, [1])
    boxes = helper.make_tensor_value_info(output, TensorProto.FLOAT, [2, 6])
    rows = np.array([[4, 4, 12, 28, 0.9, 0], [16, 8, 30, 30, 0.7, 1]], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image-"], ["level"], keepdims=0),
        helper.make_node("Mul", ["level", "scale"], ["shift"]),
        helper.make_node("Mul", ["shift", "nms_sensitivity-"], ["more"]),
        helper.make_node("Add", ["rows", "more"], [output]),
    ]
    weights = [numpy_helper.from_array(rows, "rows"), numpy_helper.from_array(np.array(scale, np.float32), "scale")]
    graph = helper.make_graph(nodes, "boxes", [image, threshold], [boxes], weights)
    graph.doc_string = '{"means": [1, 2, 3], "vars": [255, 255, 255]}'
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if chip:
        model.metadata_props.append(onnx.StringStringEntryProto(key="chip", value=chip))
    return bytes(model.SerializeToString())


def both(data: dict[str, Any], file: bytes) -> list[tuple[str, tuple[str | None, bytes]]]:
    """The parts `data` and `file`, as the vendor's client sends them."""
    return [("data", (None, json.dumps(data).encode())), ("file", ("net.onnx", file))]


async def tell(log: Commands, command: Command, stream: str, organisation: str) -> None:
    """What a producer inside the trust boundary asks."""
    await log.submit(command, asking(stream, organisation=organisation, actor="test"), wait=10)


class Person:
    """Somebody with an account of their own."""

    def __init__(self, log: Commands) -> None:
        self.log, self.id = log, f"user_{new_id().replace('-', '')}"
        self.account = {"username": f"{self.id}@people.example", "password": "open sesame"}

    async def joins(self, roles: dict[str, str]) -> None:
        """Begins, and belongs to these organisations (ids) in these roles."""
        email, hashed = self.account["username"], hash_password(self.account["password"])
        await tell(self.log, CreateUser(email=email, name="Somebody", password_hash=hashed), self.id, "")
        for organisation, role in roles.items():
            added = AddMember(user=self.id, role=role)
            await tell(self.log, added, f"{organisation}:{self.id}", organisation)


async def upload(client: httpx.AsyncClient, file: bytes, **fields: Any) -> dict[str, Any]:
    said = await client.post("/cpt/functions", files={"file": ("net.onnx", file)}, data={"name": "net", **fields})
    assert said.status_code == 200, said.text
    return dict(said.json())


async def ready(client: httpx.AsyncClient, id: str, status: str = "ok") -> dict[str, Any]:
    """The model when its check has ended so."""
    async with asyncio.timeout(40):
        while True:
            model = (await client.get(f"/cpt/function/{id}")).json()
            if model["Status"] in ("ok", "error") and model["Status"] == status:
                return dict(model)
            assert model["Status"] != "error", model["StatusMessage"]
            await asyncio.sleep(0.2)


def refused(answer: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    """The envelope of a bad answer."""
    assert answer.status_code == status, answer.text
    said = dict(answer.json())
    assert said["Message"]
    assert field is None or said["Field"]["Name"] == field, said
    return said


async def place(client: httpx.AsyncClient) -> tuple[str, list[str]]:
    """A site of the caller's, and its devices."""
    (site, *_) = (await client.get("/dev/systems", params={"Search": "Headquarters"})).json()
    devices = (await client.get(f"/dev/system/{site['NxID']}/devices")).json()
    return site["NxID"], [device["NxID"] for device in devices]


def roots(*ids: str) -> Sequence[dict[str, Any]]:
    return [{"modelUUID": id, "modelNMS": 0.42, "chains": []} for id in ids]
