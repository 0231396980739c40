"""What cannot be made from a schema alone: sign-in, devices, certificates, files."""

from __future__ import annotations

import itertools
import json
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
    "POST /api/v1/devices/provision/renew": "shows a certificate, no credential",
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
CHANGES = {
    "POST /cpt/function/{uuid}/conversions",
    "POST /api/v0/jobs/{job_id}/cancel",
    "POST /api/v0/webhooks/endpoints/{endpoint_id}/recover",
    "POST /api/v0/webhooks/deliveries/{delivery_id}/retry",
}
"""Answer 202 and create nothing."""
UNMADE = {
    "POST /api/v1/cameras/{cameraId}/live",
    "POST /api/v1/dvr-clip-requests",
    "POST /api/v1/devices/{deviceId}/commands",
    "POST /api/v1/firmware/{firmwareId}/deployments",
    "POST /api/v1/billing/checkout-session",
    "POST /api/v1/billing/portal-session",
}
"""Need a payment provider, or a device that has checked in within the last minute."""
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
    for _ in range(2):
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
    """A version of a batch with labelled images to train on and to validate with."""
    user, images = side.credential("acusight"), list(side.found["acusight", "image"])
    project = next(iter(side.found["acusight", "project"]), None)
    for number, split in zip(images, ("train", "val"), strict=False):
        body = {**annotation(side)["json"], "image_id": number}
        side.http.post("/api/data/annotations", headers=user, json=body).raise_for_status()
        body = {"annotation_status": "completed", "split": split}
        side.http.patch(f"/api/data/images/{number}", headers=user, json=body)
    batch = side.http.get(f"/api/data/images/{images[0]}", headers=user).json()["data"]["batch_id"]
    side.http.patch(f"/api/data/batches/{batch}", headers=user, json={"project_id": project})
    return {"json": {"project_id": project, "batch_ids": [batch], "name": f"{side.mark} {uuid4().hex[:6]}"}}


def training(side: Side) -> Json:
    version = side.newest("acusight", "dataset")
    return {"json": {"dataset_version_id": version, "name": f"{side.mark} {uuid4().hex[:6]}"}}


def export(side: Side) -> Json:
    """A file of a model that has been checked, which takes a while."""
    until = time.monotonic() + 30
    while not (ready := checked(side)) and time.monotonic() < until:
        time.sleep(0.5)
    version = side.newest("acusight", "dataset") if next(scales) % 2 else None
    return {"json": {"model_version_id": next(iter(ready), None), "calibration_dataset_version_id": version}}


def checked(side: Side) -> list[int]:
    models = side.http.get("/api/ml/models", headers=side.credential("acusight")).raise_for_status().json()["data"]
    return [one["id"] for one in models if one["status"] == "ready"]


def install(side: Side) -> None:
    """What packs bring: profiles."""
    for pack in () if side.known("iot", "", "sensor-profile") else side.known("iot", "", "pack"):
        side.http.post(f"/api/v1/packs/{pack}/install", headers=side.credential("iot")).raise_for_status()


def pack(side: Side) -> Json:
    name = f"{side.mark}-{uuid4().hex[:6]}"
    field = {"name": "interval", "type": "DOUBLE", "writable": True}
    profiles = {
        "sensorProfiles": [{"name": name, "version": "1.0", "fields": [field]}],
        "deviceProfiles": [{"name": name, "version": "1.0", "components": []}],
    }
    return {"json": {"key": name, "name": side.mark, "version": "1.0.0", **profiles}}


def artefact(side: Side) -> Json:
    profile = {"profileType": "SENSOR_PROFILE", "profileId": side.newest("iot", "sensor-profile")}
    return {"json": {"name": f"{side.mark} {uuid4().hex[:6]}", **profile, "content": {"interval": 1.5}}}


def binding(side: Side) -> Json:
    target = {"targetType": "DEVICE", "targetId": virtual(side)}
    return {"json": {**target, "configArtefactId": side.newest("iot", "config-artefact")}}


def camera(side: Side) -> Json:
    name = f"{side.mark} {uuid4().hex[:6]}"
    return {"json": {"deviceId": side.newest("iot", "device"), "name": name, "dvrEnabled": True}}


def virtual(side: Side) -> Any:
    """A device without a certificate."""
    made = side.http.post(
        "/api/v1/devices", headers=side.credential("iot"), json={"name": f"{side.mark} {uuid4().hex}"}
    )
    return made.raise_for_status().json()["id"]


def ago(minutes: int = 0) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


def tag() -> Json:
    return {"tag": uuid4().hex}


def file() -> Json:
    return {"fileName": "made.bin", "sizeBytes": 1, "sha256": uuid4().hex * 2}


def sited(side: Side) -> Json:
    return {"scopeType": "SITE", "scopeId": side.newest("iot", "site")}


def pair(side: Side) -> Json:
    """Two components, the second made for it."""
    one = side.newest("iot", "component")
    other = {"deviceId": side.newest("iot", "device"), "key": uuid4().hex}
    made = side.http.post("/api/v1/components", headers=side.credential("iot"), json=other)
    return {"primaryComponentId": one, "referenceComponentId": made.raise_for_status().json()["id"]}


def reading(side: Side) -> Json:
    return {"sensorId": side.mark, "value": 1.5, "timestamp": datetime.now(UTC).isoformat()}


CONTENT: dict[str, Callable[[Side], Json]] = {
    "POST /cpt/functions": model,
    "POST /cpt/function": model,
    "POST /api/device/images/upload": image,
    "POST /api/data/batches/{id}/uploads": lambda _side: {"files": {"file": ("a.jpg", picture())}},
    "POST /api/data/batches/{id}/uploads/stream": lambda _side: {"files": [("files", ("a.jpg", picture()))]},
    "POST /api/v0/request/video": lambda side: {
        "content": video() + uuid4().bytes,
        "headers": {"Content-Type": "video/mp4"},
    },
    "POST /api/v0/request/images": lambda side: {
        "json": {"images": [{"data_base64": b64encode(png(side.mark)).decode(), "external_id": uuid4().hex}]}
    },
    "POST /api/data/annotations": annotation,
    "POST /api/data/projects": project,
    "POST /api/core/devices/{device_id}/actions": lambda side: {"json": {"type": "restart_agent", "payload": tag()}},
    "POST /api/data/datasets": dataset,
    "POST /api/ml/training-jobs": training,
    "POST /api/ml/export-jobs": export,
    "POST /api/v1/device-groups": lambda side: {
        "json": {"name": f"{side.mark} {uuid4().hex[:6]}", "selector": {"allOf": [side.mark]}}
    },
    "POST /api/v1/exports": lambda side: {
        "json": {**sited(side), "from": ago(minutes=60), "to": ago(), "includes": ["READINGS"]}
    },
    "POST /api/v1/annotations": lambda side: {
        "json": {**sited(side), "annotationClassId": side.newest("iot", "annotation-class"), "startAt": ago()}
    },
    "POST /api/v1/firmware": lambda side: {"json": {"name": side.mark, "version": f"1.0.{next(scales)}", **file()}},
    "POST /api/v1/config-artefacts/upload-url": lambda side: {"json": {"contentType": "application/json", **file()}},
    "POST /api/v1/packs": pack,
    "POST /api/v1/config-artefacts": artefact,
    "PUT /api/v1/desired-state-bindings": binding,
    "POST /api/v1/cameras": camera,
    "POST /api/v1/reference-pairs": lambda side: {
        "json": {**pair(side), "validFrom": ago(minutes=60), "notes": uuid4().hex}
    },
    "POST /api/v1/alert-rules": lambda side: {
        "json": {
            "name": f"{side.mark} {uuid4().hex[:6]}",
            "sensorId": side.newest("iot", "sensor"),
            "condition": {"type": "VALUE", "operator": "GREATER_THAN", "value": 1.5},
            "severity": "WARNING",
        }
    },
    "POST /api/v1/notification-channels": lambda side: {
        "json": {"name": f"{side.mark} {uuid4().hex[:6]}", "type": "EMAIL", "recipients": ["people@example.com"]}
    },
    "POST /api/v1/organization/invitations": lambda side: {
        "json": {"email": f"{uuid4().hex}@example.com", "role": "MEMBER"}
    },
    "POST /api/v1/devices/{deviceId}/commands": lambda side: {"json": {"type": "REBOOT", "params": tag()}},
    "POST /api/v1/dvr-clip-requests": lambda side: {
        "json": {"cameraId": side.newest("iot", "camera"), "from": ago(minutes=5), "to": ago(minutes=4)}
    },
    "POST /api/v1/readings": lambda side: {"json": {"deviceId": virtual(side), "readings": [reading(side)]}},
}
"""Bodies that mean more than their schema says."""
