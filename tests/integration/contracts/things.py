"""What cannot be made from a schema alone: sign-in, devices, certificates, files."""

from __future__ import annotations

import itertools
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.contracts.documents import Json
from tests.integration.acusight.conftest import picture
from tests.integration.noxovision.calls import film, png
from tests.integration.nx.calls import network

if TYPE_CHECKING:
    from tests.integration.contracts.world import Side

BY_HAND = {
    "POST /api/devices/provision": "trades a one-time token, no credential",
    "POST /api/v1/devices/provision": "trades a one-time token, no credential",
    "POST /cdb/oauth2/token": "opens a session",
}
WORDS = {
    "customization": "metavms",
    "name": "reading",
    "subject": "telemetry.readings-value",
    "version": "latest",
    "token": "nxcdb-nobodys",
}
"""Parameters of paths that name no thing of an organisation."""
CHANGES = {"POST /cpt/function/{uuid}/conversions", "POST /api/v0/jobs/{job_id}/cancel"}
"""Answer 202 and create nothing."""
NOBODYS = ("/api/schemas/ids", "/api/schemas/subjects", "/api/schemas/message")
"""Paths of what is the same for every organisation."""
scales = itertools.count(3)


def sign_in(side: Side) -> None:
    """Credentials of every dialect and kind."""
    answer = side.http.post("/cdb/oauth2/token", data={"grant_type": "password", **side.said["nx"]}).raise_for_status()
    side.secrets = {
        "nx": answer.json()["access_token"],
        "nx-refresh": answer.json()["refresh_token"],
        "acusight": side.said["acusight"]["token"],
        "iot": side.said["iot"]["api_key"],
        "iot-token": side.said["iot"]["token"],
        "noxovision": side.said["noxovision"]["api_key"],
    }


def enrol(side: Side) -> None:
    """A device of the AcuSight dialect, with an image."""
    user = side.credential("acusight")
    for kind in ("provisioning", "spare"):
        made = side.http.post("/api/provisioning-tokens", headers=user, json={"name": f"{side.mark} {kind}"})
        side.secrets[f"{kind}-token"] = made.raise_for_status().json()["data"]["token"]
    info = {"device_id": f"{side.mark}-{uuid4()}", "name": side.mark}
    body = {"token": side.secrets.pop("spare-token"), "device_info": info}
    side.secrets["device"] = (
        side.http.post("/api/devices/provision", json=body).raise_for_status().json()["data"]["api_key"]
    )
    side.found["acusight", "device"][info["device_id"]] = {}
    upload = side.http.post("/api/device/images/upload", headers=side.credential("device"), **image(side))
    side.found["acusight", "image"][upload.raise_for_status().json()["data"]["image_id"]] = {}


def certify(side: Side) -> None:
    """A device of the IoT dialect, with a certificate."""
    user = side.credential("iot")
    for kind in ("registration", "used"):
        body = {"deviceName": f"{side.mark} {kind}"}
        made = side.http.post("/api/v1/devices/registration/tokens", headers=user, json=body).raise_for_status().json()
        side.secrets[f"{kind}-token"] = made["token"]
    token = side.secrets.pop("used-token")
    side.http.post("/api/v1/devices/provision", json={"token": token, "csr": request_of("x")}).raise_for_status()
    side.found["iot", "device"][made["deviceId"]] = {}


def request_of(name: str) -> str:
    """A signing request (PEM)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(ec.generate_private_key(ec.SECP256R1()), SHA256()).public_bytes(Encoding.PEM).decode()


def model(side: Side) -> Json:
    return {
        "files": {"file": ("net.onnx", network(scale=float(next(scales))))},
        "data": {"name": f"{side.mark} {uuid4().hex[:6]}", "documentation": "boxes"},
    }


def image(side: Side) -> Json:
    return {
        "files": {"image": ("made.jpg", picture(), "image/jpeg")},
        "data": {"metadata": json.dumps({"source": side.mark})},
    }


@cache
def video() -> bytes:
    with TemporaryDirectory() as folder:
        return film(Path(folder) / "made.mp4", 2)


def project(side: Side) -> Json:
    return {"json": {"name": f"{side.mark} {uuid4().hex[:6]}", "classes": [{"value": "thing"}]}}


def annotation(side: Side) -> Json:
    shape = {"type": "bbox", "geometry": [0.5, 0.5, 0.1 + next(scales) / 1000, 0.2], "class_value": "thing"}
    return {"json": {"image_id": next(iter(side.found["acusight", "image"])), **shape}}


def dataset(side: Side) -> Json:
    """A version of a labelled image's batch."""
    user, (number, *_) = side.credential("acusight"), side.found["acusight", "image"]
    project = next(iter(side.found["acusight", "project"]), None)
    side.http.post("/api/data/annotations", headers=user, **annotation(side)).raise_for_status()
    batch = side.http.get(f"/api/data/images/{number}", headers=user).json()["data"]["batch_id"]
    side.http.patch(f"/api/data/batches/{batch}", headers=user, json={"project_id": project})
    return {"json": {"project_id": project, "batch_ids": [batch], "name": f"{side.mark} {uuid4().hex[:6]}"}}


def virtual(side: Side) -> Any:
    """A device without a certificate."""
    made = side.http.post(
        "/api/v1/devices", headers=side.credential("iot"), json={"name": f"{side.mark} {uuid4().hex}"}
    )
    return made.raise_for_status().json()["id"]


def reading(side: Side) -> Json:
    return {"sensorId": side.mark, "value": 1.5, "timestamp": datetime.now(UTC).isoformat()}


CONTENT: dict[str, Callable[[Side], Json]] = {
    "POST /cpt/functions": model,
    "POST /cpt/function": model,
    "POST /api/device/images/upload": image,
    "POST /api/v0/request/video": lambda side: {
        "content": video() + uuid4().bytes,
        "headers": {"Content-Type": "video/mp4"},
    },
    "POST /api/v0/request/images": lambda side: {
        "json": {"images": [{"data_base64": b64encode(png(side.mark)).decode(), "external_id": uuid4().hex}]}
    },
    "POST /api/data/annotations": annotation,
    "POST /api/data/projects": project,
    "POST /api/data/datasets": dataset,
    "POST /api/v1/device-groups": lambda side: {
        "json": {"name": f"{side.mark} {uuid4().hex[:6]}", "selector": {"allOf": [side.mark]}}
    },
    "POST /api/v1/readings": lambda side: {"json": {"deviceId": virtual(side), "readings": [reading(side)]}},
}
"""Bodies that mean more than their schema says."""
