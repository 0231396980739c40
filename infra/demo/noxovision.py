"""Noxovision: a video with a webhook, analysed, delivered, verified two ways."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64encode
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx
import orjson
from standardwebhooks import Webhook

from infra import pictures as draw
from infra.assets import Assets
from infra.demo.journal import Journal
from infra.demo.receiver import Received, receiver

PATIENCE = 600.0
TERMINAL = {"finished", "failed"}


async def run(
    client: httpx.AsyncClient, stack: dict[str, Any], media: Assets, journal: Journal, pictures: Path
) -> None:
    headers = {"X-API-Key": stack["organisations"]["acme"]["noxovision"]["api_key"]}
    secret = "whsec_" + b64encode(token_bytes(32)).decode()
    async with receiver() as (url, arrived):
        answer = await submitted(client, headers, media, url, secret, journal)
        polled = await finished(client, headers, answer.headers["Location"], journal)
        async with asyncio.timeout(60):
            webhook = await arrived.get()
    verified(webhook, secret, polled, answer.json()["job_id"], journal)
    plausible(polled["result"], journal)
    draw.contact_sheet(media.reel, polled["result"], pictures / "contact-sheet.png")
    draw.timeline(polled["result"], pictures / "timeline.png")
    journal.held("a contact sheet and a timeline are drawn", (pictures / "timeline.png").stat().st_size > 10_000)


async def submitted(
    client: httpx.AsyncClient, headers: dict[str, str], media: Assets, url: str, secret: str, journal: Journal
) -> httpx.Response:
    webhook = orjson.dumps({"url": url, "secret": secret}).decode()
    with media.reel.open("rb") as video:
        files: dict[str, Any] = {
            "video": (media.reel.name, video, "video/mp4"),
            "webhook": (None, webhook, "application/json"),
        }
        answer = await client.post(
            "/api/v0/request/video", headers={**headers, "Max-Processing-Time": "900"}, files=files
        )
    journal.answered(f"submit a video of {media.reel.stat().st_size / 1e6:.1f} MB", answer, 202)
    return answer


async def finished(
    client: httpx.AsyncClient, headers: dict[str, str], location: str, journal: Journal
) -> dict[str, Any]:
    """Polls as the contract says: `Prefer: wait`, until a terminal state."""
    envelope: dict[str, Any] = {"status": "queued"}
    async with asyncio.timeout(PATIENCE):
        while envelope["status"] not in TERMINAL:
            answer = await client.get(location, headers={**headers, "Prefer": "wait=30"})
            envelope = answer.json()
    journal.held("split, decoded, analysed: finished", envelope["status"] == "finished", envelope.get("error") or "")
    return envelope


def verified(webhook: Received, secret: str, polled: dict[str, Any], job: str, journal: Journal) -> None:
    said = Webhook(secret).verify(webhook.body, webhook.headers)
    journal.held("the standardwebhooks library accepts the webhook", said["job_id"] == job)
    own = hmac.new(secret.encode(), webhook.body, hashlib.sha256).hexdigest()
    journal.held("X-Webhook-Signature fits", hmac.compare_digest(own, webhook.headers["x-webhook-signature"]))
    same = {member: polled.get(member) for member in ("job_id", "status", "result")}
    journal.held("the webhook says what polling gives", {m: said.get(m) for m in same} == same)


def plausible(result: dict[str, Any], journal: Journal) -> None:
    analysis = result["analysis"]
    scenes, texts = result["raw_scenes"], [entry["full_text"] for entry in result["ocr_results"]]
    covered = scenes[0]["start_seconds"] == 0 and abs(scenes[-1]["end_seconds"] - analysis["duration_seconds"]) < 0.5
    journal.held("scenes cover the video", covered, f"{len(scenes)} scenes in {analysis['duration_seconds']:.0f} s")
    samples = result["frame_activity_diffs"]
    journal.held(
        "activity twice a second",
        abs(len(samples) - 2 * analysis["duration_seconds"]) <= 3,
        f"{len(samples)} differences",
    )
    persons = result["person_constellation_scenes"]
    journal.held(
        "persons seen with the uploaded model", persons, f"{len(persons)} constellations; {analysis['model_versions']}"
    )
    journal.held("text was read", texts, ", ".join(texts)[:80])
