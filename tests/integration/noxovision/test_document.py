"""The surface's own document holds what the contract names."""

from __future__ import annotations

import httpx

SUCCESS = {
    "submitVideo": {"202"},
    "submitImages": {"202"},
    "getVideoResult": {"200", "304"},
    "getImagesResult": {"200", "304"},
    "getLatency": {"200"},
    "getCapacity": {"200"},
    "listJobs": {"200"},
    "getJob": {"200", "304"},
    "cancelJob": {"202"},
    "deleteJob": {"204"},
    "healthz": {"200"},
    "readyz": {"200"},
}


def test_operations_and_answers(anybody: httpx.Client) -> None:
    document = anybody.get("/openapi.json").json()
    found = {one["operationId"]: one for path in document["paths"].values() for one in path.values()}
    for id, codes in SUCCESS.items():
        assert {code for code in found[id]["responses"] if code[0] in "23"} == codes
    assert set(found["submitVideo"]["requestBody"]["content"]) == {
        "application/octet-stream",
        "video/*",
        "multipart/form-data",
    }
    assert found["submitVideo"]["security"] == [{"apiKeyAuth": []}]


def test_probes_need_no_key(anybody: httpx.Client) -> None:
    assert anybody.get("/healthz").status_code == 200
    assert anybody.get("/readyz").json()["ready"] is True
