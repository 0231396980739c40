"""Sign-in, the grants, scopes, and acting as somebody else."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.nx.onetime import PERIOD
from api.nx.onetime import code as onetime
from api.operators import UnknownAccount, UnknownSite, second_factor, site_key
from infra.commands import Commands
from infra.settings import Settings
from tests.integration.nx.calls import NIL, Person, network, place, refused

BACK = "https://client.example/return?x=1"
Said = dict[str, Any]


@pytest.fixture
def who(stack: dict[str, Any]) -> Said:
    return dict(stack["organisations"]["acme"]["nx"])


async def token(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/cdb/oauth2/token", data=body)


async def code(client: httpx.AsyncClient, who: Said, **more: str) -> str:
    """Signs in as a person would: the page, its form, the way back."""
    asked = {"redirect_uri": BACK, "client_id": "3rdParty", "state": "s&1", **more}
    page = await client.get("/authorize", params=asked)
    assert page.status_code == 200
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text.replace("&amp;", "&")))
    sent = {**hidden, "username": who["username"], "password": who["password"]}
    answer = await client.post("/authorize", data=sent)
    assert answer.status_code == 302, answer.text
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (query["x"], query["state"]) == (["1"], ["s&1"])
    return query["code"][0]


async def test_a_code_is_exchanged_once(anybody: httpx.AsyncClient, who: Said) -> None:
    got = await code(anybody, who)
    grant = {"grant_type": "authorization_code", "code": got, "redirect_uri": BACK, "client_id": "3rdParty"}
    refused(await token(anybody, **{**grant, "redirect_uri": "https://other.example"}), 400, "code")
    refused(await token(anybody, **{**grant, "client_id": "other"}), 400, "code")
    said = (await token(anybody, **grant)).json()
    assert (said["token_type"], said["expires_in"]) == ("bearer", 3600)
    headers = {"Authorization": f"Bearer {said['access_token']}"}
    assert (await anybody.get("/cpt/functions", headers=headers)).status_code == 200
    refused(await token(anybody, **grant), 400, "code")
    refused(await anybody.get("/cpt/functions", headers=headers), 401)
    refused(await anybody.get("/cpt/functions", headers={"Authorization": f"Bearer {got}"}), 401)


@pytest.mark.parametrize(
    "bad", ["", "javascript:alert(1)", "http://evil.example", "https://a@b.example", "//x", "http://["]
)
async def test_nobody_is_sent_just_anywhere(anybody: httpx.AsyncClient, bad: str) -> None:
    refused(await anybody.get("/authorize", params={"redirect_url": bad}), 400, "redirect_uri")


async def test_a_wrong_password(anybody: httpx.AsyncClient, who: Said) -> None:
    said = refused(await token(anybody, grant_type="password", **{**who, "password": "no"}), 401)
    assert (said["AuthorizationInvalid"], said["Email"], said["error"]) == (True, who["username"], "invalid_grant")
    unknown = refused(await token(anybody, grant_type="password", username="x@y.example", password="no"), 401)
    assert unknown["Message"] == said["Message"]
    page = await anybody.post("/authorize", data={"redirect_uri": BACK, "username": who["username"], "password": "no"})
    assert page.status_code == 401
    assert "wrong password" in page.text


async def test_every_way_to_present_a_token(anybody: httpx.AsyncClient, who: Said) -> None:
    said = (await anybody.post("/cdb/oauth2/token", json={"grant_type": "password", **who})).json()["access_token"]
    assert said.startswith("nxcdb-")
    for header in (f"Bearer {said}", said, f"bearer {said.removeprefix('nxcdb-')}"):
        assert (await anybody.get("/dev/systems", headers={"Authorization": header})).status_code == 200
    for header in ("", said.removeprefix("nxcdb-"), f"Basic {said}", f"Bearer {said}x", "Bearer", "nxcdb-"):
        assert refused(await anybody.get("/dev/systems", headers={"Authorization": header}), 401)[
            "AuthorizationInvalid"
        ]


async def test_refresh_tokens_rotate_and_notice_reuse(anybody: httpx.AsyncClient, who: Said) -> None:
    first = (await token(anybody, grant_type="password", **who)).json()
    grant = {"grant_type": "refresh_token", "client_id": who["client_id"]}
    second = (await token(anybody, **grant, refresh_token=first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    refused(await token(anybody, grant_type="refresh_token", refresh_token=second["refresh_token"], client_id="x"), 400)
    refused(await token(anybody, **grant, refresh_token=first["refresh_token"]), 400, "refresh_token")
    refused(await token(anybody, **grant, refresh_token=second["refresh_token"]), 400, "refresh_token")
    header = {"Authorization": f"Bearer {second['access_token']}"}
    refused(await anybody.get("/dev/systems", headers=header), 401)
    for bad in ("x", f"nxcdb-{NIL}.x", ""):
        refused(await token(anybody, **grant, refresh_token=bad), 400, "refresh_token")


async def test_a_revoked_token_is_dead(anybody: httpx.AsyncClient, globex: httpx.AsyncClient, who: Said) -> None:
    said = (await token(anybody, grant_type="password", **who)).json()
    header = {"Authorization": f"Bearer {said['access_token']}"}
    assert (await globex.delete(f"/cdb/oauth2/token/{said['refresh_token']}")).status_code == 200
    assert (await anybody.get("/dev/systems", headers=header)).status_code == 200
    refused(await anybody.delete(f"/cdb/oauth2/token/{said['access_token']}"), 401)
    assert (await anybody.delete(f"/cdb/oauth2/token/{said['access_token']}", headers=header)).status_code == 200
    refused(await anybody.get("/dev/systems", headers=header), 401)
    grant = {"grant_type": "refresh_token", "client_id": who["client_id"], "refresh_token": said["refresh_token"]}
    refused(await token(anybody, **grant), 400, "refresh_token")


async def test_bad_token_requests(anybody: httpx.AsyncClient, who: Said) -> None:
    refused(await token(anybody, grant_type="magic"), 400, "grant_type")
    refused(await token(anybody), 400, "grant_type")
    refused(await token(anybody, grant_type="password", username="x"), 400, "password")
    refused(await token(anybody, grant_type="password", scope="nonsense", **who), 400, "scope")
    refused(await token(anybody, grant_type="system_credentials", client_id=NIL, password="x"), 401)
    refused(await anybody.post("/cdb/oauth2/token", content=b"{", headers={"content-type": "application/json"}), 400)
    refused(await anybody.post("/cdb/oauth2/token", content=b"x", headers={"content-type": "text/xml"}), 415)
    refused(await anybody.post("/cdb/oauth2/token", data={"grant_type": "x" * 20_000}), 413)


async def test_scopes_bind_and_only_narrow(anybody: httpx.AsyncClient, stack: Said, who: Said) -> None:
    async def holding(scope: str) -> tuple[dict[str, str], Said]:
        said = (await token(anybody, grant_type="password", scope=scope, **who)).json()
        return {"Authorization": f"Bearer {said['access_token']}"}, said

    site = (await anybody.get("/dev/systems", headers=(await holding(""))[0])).json()[0]["NxID"]
    header, _ = await holding(f"{stack['api']}/cpt cloudSystemId=*")
    assert (await anybody.get("/cpt/functions", headers=header)).status_code == 200
    refused(await anybody.get("/dev/systems", headers=header), 403)
    header, said = await holding(f"{stack['api']} cloudSystemId={site}")
    assert [each["NxID"] for each in (await anybody.get("/dev/systems", headers=header)).json()] == [site]
    grant = {"grant_type": "refresh_token", "client_id": who["client_id"], "refresh_token": said["refresh_token"]}
    refused(await token(anybody, **grant, scope=f"{stack['api']} cloudSystemId=*"), 400, "scope")
    header, _ = await holding(f"{stack['api']} cloudSystemId={NIL}")
    assert (await anybody.get("/dev/systems", headers=header)).json() == []
    refused(await anybody.get(f"/dev/system/{site}", headers=header), 404)
    header, _ = await holding(f"cloudSystemId={site}")
    refused(await anybody.get("/cpt/functions", headers=header), 403)


async def test_a_site_signs_in_with_its_key_and_only_reads(
    anybody: httpx.AsyncClient, acme: httpx.AsyncClient, settings: Settings, stack: Said
) -> None:
    site, (device, *_) = await place(acme)
    secret = await site_key(settings, stack["organisations"]["acme"]["id"], site)
    with pytest.raises(UnknownSite):
        await site_key(settings, stack["organisations"]["globex"]["id"], site)
    grant = {"grant_type": "system_credentials", "password": secret}
    refused(await token(anybody, **grant, client_id=NIL), 401)
    said = (await token(anybody, **grant, client_id=f"{{{site.upper()}}}")).json()
    anybody.headers["Authorization"] = said["access_token"]
    assert [each["NxID"] for each in (await anybody.get("/dev/systems")).json()] == [site]
    assert (await anybody.get("/cpt/functions")).status_code == 200
    refused(await anybody.post("/cpt/functions", files={"file": ("a", network())}), 403)
    refused(await anybody.delete(f"/dev/system/{site}/device/{device}/functions"), 403)


async def test_acting_as_another(acme: httpx.AsyncClient, stack: Said) -> None:
    mine, theirs = (stack["organisations"][name]["id"] for name in ("acme", "globex"))

    async def acting(**headers: str) -> httpx.Response:
        return await acme.get("/cpt/functions", headers={f"X-Act-As-{k}": v for k, v in headers.items()})

    for good in (
        {"Kind": "user"},
        {"Kind": "organization", "ID": mine},
        {"Kind": "organization", "ID": f"{{{mine.upper()}}}"},
    ):
        assert (await acting(**good)).status_code == 200
    refused(await acting(ID=mine), 400, "X-Act-As-Kind")
    refused(await acting(Kind="organization"), 400, "X-Act-As-ID")
    refused(await acting(Kind="pirate", ID=mine), 400, "X-Act-As-Kind")
    refused(await acting(Kind="organization", ID="x"), 400, "X-Act-As-ID")
    for kind, id in (("organization", theirs), ("organization", NIL), ("channel_partner", mine), ("user", mine)):
        assert refused(await acting(Kind=kind, ID=id), 403)["AuthorizationInvalid"] is True


async def test_an_account_may_ask_for_one_time_codes(
    anybody: httpx.AsyncClient, log: Commands, settings: Settings, stack: Said
) -> None:
    somebody = Person(log)
    await somebody.joins({stack["organisations"]["acme"]["id"]: "viewer"})
    grant = {"grant_type": "password", "client_id": "3rdParty", **somebody.account}
    address = await second_factor(settings, somebody.account["username"])
    (secret,) = parse_qs(urlsplit(address or "").query)["secret"]
    now = int(time.time()) // PERIOD
    wanted = refused(await token(anybody, **grant), 401, "mfaCode")
    assert (wanted["error"], wanted["AuthorizationInvalid"]) == ("mfa_required", True)
    refused(await token(anybody, **grant, mfaCode=onetime(secret, now + 99)), 401, "mfaCode")
    assert "mfaCode" not in refused(await token(anybody, **{**grant, "password": "no"}), 401).get("Field", {})
    assert (await token(anybody, **grant, mfaCode=onetime(secret, now))).status_code == 200
    refused(await token(anybody, **grant, mfaCode=onetime(secret, now)), 401, "mfaCode")
    page = {"redirect_uri": BACK, "client_id": "3rdParty", **somebody.account}
    assert "asks for a one-time code" in (await anybody.post("/authorize", data=page)).text
    assert (await anybody.post("/authorize", data={**page, "mfaCode": onetime(secret, now + 1)})).status_code == 302
    assert await second_factor(settings, somebody.account["username"], off=True) is None
    assert (await token(anybody, **grant)).status_code == 200
    with pytest.raises(UnknownAccount):
        await second_factor(settings, "nobody@people.example")


async def test_other_dialects_credentials_open_nothing(anybody: httpx.AsyncClient, stack: Said) -> None:
    said = stack["organisations"]["acme"]
    for secret in (
        said["acusight"]["token"],
        said["iot"]["token"],
        said["iot"]["api_key"],
        said["noxovision"]["api_key"],
    ):
        refused(await anybody.get("/cpt/functions", headers={"Authorization": f"Bearer {secret}"}), 401)
    refused(await anybody.post("/cpt/functions", files={"file": ("a", network())}), 401)


@pytest.mark.parametrize("prefix", ["/cpt", "/dev"])
async def test_the_documents_are_open(anybody: httpx.AsyncClient, prefix: str) -> None:
    assert (await anybody.get(f"{prefix}/openapi.json")).json()["paths"]
    assert "openapi.json" in (await anybody.get(f"{prefix}/openapi.html")).text
    assert (await anybody.get(f"{prefix}/")).json() == {"Message": "Ok"}
    refused(await anybody.get(f"{prefix}/no-such-thing"), 404)
