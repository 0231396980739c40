"""Random and stateful requests from each published document: no server error, no answer outside the document.

Run as a person would run the tool, as an organisation of its own, which it may leave in ruins.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.settings import Settings
from tests.integration.contracts.conftest import organisation

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
EXAMPLES = 3
SECONDS = 35
"""For each document, fuzzing and sequences of calls; the systematic cases before them take what they take."""
DOCUMENTS = {
    "/cpt/openapi.json": ("nx", "/cpt"),
    "/dev/openapi.json": ("nx", "/dev"),
    "/cdb/openapi.json": ("nx", ""),
    "/api/openapi.json": ("acusight", "/api"),
    "/api/v3/api-docs": ("iot", ""),
    "/api/v0/openapi.json": ("noxovision", "/api/v0"),
}
LEFT_OUT = {
    "submitVideo": "random bytes of `video/*`, for which the tool has no serializer; test_refusals.py has bad videos",
    "listEvents": "waits for events as long as it is asked to; tests/integration/webhooks/test_routes.py",
    "testEndpoint": "waits for a receiver that is not there; tests/integration/webhooks/test_routes.py",
    "issueToken": "argon2 takes 50 ms a try, by design; tests/integration/nx/test_identity.py",
}


@pytest.fixture(scope="module")
def headers(stack: dict[str, Any], settings: Settings) -> dict[str, str]:
    """The header that each dialect's credential travels in."""
    said = organisation(settings, "ruin")
    form = {"grant_type": "password", **said["nx"]}
    token = httpx.post(f"{stack['api']}/cdb/oauth2/token", data=form, timeout=30).raise_for_status().json()
    return {
        "nx": f"Authorization: Bearer {token['access_token']}",
        "acusight": f"Authorization: Bearer {said['acusight']['token']}",
        "iot": f"Authorization: Bearer {said['iot']['api_key']}",
        "noxovision": f"X-API-Key: {said['noxovision']['api_key']}",
    }


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_answers_fit_the_document(
    document: str, stack: dict[str, Any], headers: dict[str, str], tmp_path: Path
) -> None:
    surface, base = DOCUMENTS[document]
    line = [sys.executable, "-m", "schemathesis.cli", "run", stack["api"] + document, "--url", stack["api"] + base]
    line += ["--header", headers[surface], "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing,stateful"]
    line += ["--max-examples", str(EXAMPLES), "--max-time", str(SECONDS), "--no-shrink", "--warnings", "off"]
    line += [part for id in LEFT_OUT for part in ("--exclude-operation-id", id)]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
