"""What is seen beyond one organisation: shared and public catalogues, several memberships, channel partners."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from infra.commands import Commands
from schemas.ids import new_id
from schemas.records.messages import PutRecord
from schemas.tenancy.messages import CreateOrganisation, PlaceOrganisation
from tests.integration.nx.calls import NIL, Person, network, place, ready, refused, tell, upload
from tests.integration.nx.conftest import signed_in

Said = dict[str, Any]


@pytest.fixture
def ids(stack: Said) -> dict[str, str]:
    return {name: said["id"] for name, said in stack["organisations"].items()}


@pytest.fixture
async def catalogue(acme: httpx.AsyncClient, model: Said) -> AsyncIterator[Said]:
    """A catalogue of acme's with one model in it."""
    made = dict((await acme.post("/cpt/catalogues", json={"Name": "Roads"})).json())
    one = f"/cpt/catalogue/{made['UUID']}"
    await acme.post(f"{one}/functions", json={"Functions": [model["UUID"]]})
    yield made
    await acme.delete(f"{one}/function/{model['UUID']}")
    await acme.delete(one)


async def share(acme: httpx.AsyncClient, catalogue: Said, *organisations: str) -> Said:
    said = await acme.put(f"/cpt/catalogue/{catalogue['UUID']}/organisations", json={"Organisations": organisations})
    assert said.status_code == 200, said.text
    return dict(said.json())


async def member(log: Commands, stack: Said, roles: dict[str, str]) -> httpx.AsyncClient:
    """Somebody new with these roles in organisations, signed in."""
    person = Person(log)
    await person.joins(roles)
    return await signed_in(stack, "acme", **person.account)


async def seen(client: httpx.AsyncClient, path: str = "/cpt/functions", **headers: str) -> set[str]:
    answer = await client.get(path, params={"limit": 500}, headers=headers)
    assert answer.status_code == 200, answer.text
    found = [each.get("UUID") or each["NxID"] for each in answer.json()]
    assert answer.headers.get("x-pagination-records", str(len(found))) == str(len(set(found)))
    return set(found)


async def test_a_shared_catalogue_is_read_and_not_changed(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, model: Said, catalogue: Said, ids: dict[str, str]
) -> None:
    one = f"/cpt/function/{model['UUID']}"
    refused(await globex.get(f"/cpt/catalogue/{catalogue['UUID']}"), 404)
    told = await share(acme, catalogue, ids["acme"], ids["globex"])
    assert [each["UUID"] for each in told["Organisations"]] == [ids["acme"], ids["globex"]]
    theirs = (await globex.get(f"/cpt/catalogue/{catalogue['UUID']}")).json()
    assert (theirs["Organisation"]["UUID"], theirs["FunctionCount"]) == (ids["acme"], 1)
    assert [each["UUID"] for each in theirs["Organisations"]] == [ids["globex"]]
    assert catalogue["UUID"] in await seen(globex, "/cpt/catalogues")
    shown = (await globex.get(one)).json()
    assert shown["Organisation"] == {"UUID": ids["acme"], "Name": "Acme", "Kind": "organization"}
    assert shown["Catalogues"] == [{"UUID": catalogue["UUID"], "Name": "Roads"}]
    for catalogues in (NIL, catalogue["UUID"]):
        listed = await globex.get("/cpt/functions", params={"Catalogue": catalogues, "Status": "ok"})
        assert shown["UUID"] in [each["UUID"] for each in listed.json()]
    files = (await globex.get(f"{one}/files")).json()
    assert (await globex.get(f"{one}/file/{files[0]['UUID']}")).status_code == 302
    assert (await globex.get(f"{one}/conversions")).json() == (await acme.get(f"{one}/conversions")).json()
    assert (await globex.get(f"/dev/nxai/model/{model['UUID']}")).json()["Downloads"]
    refused(await globex.patch(one, json={"Name": "mine"}), 403)
    refused(await globex.delete(one), 403)
    refused(await globex.post(f"{one}/conversions", json={"EnableConversions": []}), 403)
    refused(await globex.patch(f"/cpt/catalogue/{catalogue['UUID']}", json={"Name": "mine"}), 403)
    refused(await globex.delete(f"/cpt/catalogue/{catalogue['UUID']}"), 403)
    refused(await globex.put(f"/cpt/catalogue/{catalogue['UUID']}/organisations", json={"Organisations": []}), 403)
    refused(await acme.put(f"/cpt/catalogue/{catalogue['UUID']}/organisations", json={"Organisations": ["x"]}), 400)


async def test_a_catalogue_that_is_not_shared_tells_nothing_of_what_it_shares_models_with(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, model: Said, catalogue: Said, ids: dict[str, str]
) -> None:
    await share(acme, catalogue, ids["globex"])
    hidden = (await acme.post("/cpt/catalogues", json={"Name": "Hidden"})).json()
    await acme.post(f"/cpt/catalogue/{hidden['UUID']}/functions", json={"FunctionUUID": model["UUID"]})
    shown = (await globex.get(f"/cpt/function/{model['UUID']}")).json()
    assert [each["Name"] for each in shown["Catalogues"]] == ["Roads"]
    listed = await globex.get("/cpt/functions", params={"Catalogue": hidden["UUID"]})
    assert (listed.json(), listed.headers["x-pagination-records"]) == ([], "0")
    await acme.delete(f"/cpt/catalogue/{hidden['UUID']}/function/{model['UUID']}")
    await acme.delete(f"/cpt/catalogue/{hidden['UUID']}")


async def test_withdrawing_leaves_what_runs_and_lets_nothing_new_in(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, model: Said, catalogue: Said, ids: dict[str, str]
) -> None:
    await share(acme, catalogue, ids["globex"])
    site, (device, other) = await place(globex)
    assert model["UUID"] in await seen(globex, f"/cpt/rpc/pipelines/available/{site}/metavms")
    path = f"/dev/system/{site}/device/{{}}/functions"
    assert (await globex.post(path.format(device), json={"FunctionID": model["UUID"]})).status_code == 200
    assert [each["Name"] for each in (await globex.get(path.format(device))).json()] == [model["Name"]]
    await share(acme, catalogue)
    refused(await globex.get(f"/cpt/function/{model['UUID']}"), 404)
    assert model["UUID"] not in await seen(globex, f"/cpt/rpc/pipelines/available/{site}/metavms")
    assert [each["FunctionID"] for each in (await globex.get(path.format(device))).json()] == [model["UUID"]]
    refused(await globex.post(path.format(other), json={"FunctionID": model["UUID"]}), 422, "FunctionID")
    assert (await globex.delete(path.format(device))).status_code == 200


async def test_a_model_that_runs_elsewhere_is_removed_by_force(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, catalogue: Said, ids: dict[str, str]
) -> None:
    id = (await ready(acme, (await upload(acme, network(scale=31)))["UUID"]))["UUID"]
    await acme.patch(f"/cpt/function/{id}", json={"Catalogues": [catalogue["UUID"]]})
    await share(acme, catalogue, ids["globex"])
    site, (device, _) = await place(globex)
    path = f"/dev/system/{site}/device/{device}/functions"
    assert (await globex.post(path, json={"FunctionID": id})).status_code == 200
    refused(await acme.delete(f"/cpt/function/{id}"), 409, "Devices")
    assert (await acme.delete(f"/cpt/function/{id}", params={"force": True})).json()["Message"] == "Done"
    assert (await globex.get(path)).json() == []


async def test_anybody_sees_what_is_public(
    acme: httpx.AsyncClient,
    globex: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    model: Said,
    catalogue: Said,
    log: Commands,
    ids: dict[str, str],
) -> None:
    one = f"/dev/nxai/model/{model['UUID']}"
    refused(await anybody.get(one), 404)
    body = {"name": "Roads", "public": True, "organisations": []}
    await tell(log, PutRecord(kind="catalogue", body=body), catalogue["UUID"], ids["acme"])
    assert (await anybody.get(one)).json()["Name"] == model["Name"]
    refused(await anybody.get(f"/cpt/function/{model['UUID']}"), 401)
    shown = (await globex.get(f"/cpt/function/{model['UUID']}")).json()
    assert (shown["Public"], (await globex.get(f"/cpt/catalogue/{catalogue['UUID']}")).json()["Public"]) == (True, True)
    renamed = await acme.patch(f"/cpt/catalogue/{catalogue['UUID']}", json={"Name": "Streets"})
    assert (renamed.json()["Name"], renamed.json()["Public"]) == ("Streets", True)
    refused(await acme.patch(f"/cpt/catalogue/{catalogue['UUID']}", json={"Name": "x", "Public": False}), 403, "Public")
    await tell(log, PutRecord(kind="catalogue", body=body | {"public": False}), catalogue["UUID"], ids["acme"])
    refused(await anybody.get(one), 404)


async def test_browsing_shows_every_organisation_that_one_belongs_to(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, model: Said, stack: Said, log: Commands, ids: dict[str, str]
) -> None:
    theirs = (await ready(globex, (await upload(globex, network(scale=32)))["UUID"]))["UUID"]
    me = await member(log, stack, {ids["acme"]: "member", ids["globex"]: "viewer"})
    both = {f"X-Act-As-{name}": ids["globex"] if name == "ID" else "organization" for name in ("Kind", "ID")}
    assert await seen(me) == await seen(acme) | await seen(globex)
    assert await seen(me, **both) == await seen(globex) != await seen(me)
    systems = [await seen(each, "/dev/systems") for each in (acme, globex)]
    assert await seen(me, "/dev/systems") == systems[0] | systems[1]
    pages = [(await me.get("/cpt/functions", params={"limit": 1, "offset": n, "OrderBy": "Name"})) for n in (0, 1)]
    assert pages[0].json() != pages[1].json()
    site, (device, _) = await place(acme)
    assert (await me.get(f"/cpt/function/{theirs}")).json()["Organisation"]["UUID"] == ids["globex"]
    refused(await me.post(f"/dev/system/{site}/device/{device}/functions", json={"FunctionID": theirs}), 422)
    refused(await me.patch(f"/cpt/function/{theirs}", json={"Name": "mine"}), 403)
    abroad, (far, _) = await place(globex)
    assert (await me.get(f"/dev/system/{abroad}/device/{far}/functions")).status_code == 200
    refused(await me.post(f"/dev/system/{abroad}/device/{far}/functions", json={"FunctionID": theirs}), 403)
    assert (await me.patch(f"/cpt/function/{model['UUID']}", json={"Alias": "ours"})).json()["Alias"] == "ours"
    assert (await upload(me, network(scale=33)))["Organisation"]["UUID"] == ids["acme"]
    await me.aclose()


async def test_a_channel_partner_reads_its_organisations_and_writes_as_its_role_allows(
    acme: httpx.AsyncClient, model: Said, stack: Said, log: Commands, ids: dict[str, str]
) -> None:
    partner, client = new_id(), new_id()
    await tell(log, CreateOrganisation(name="Reseller", slug=partner, kind="channel_partner"), partner, partner)
    await tell(log, CreateOrganisation(name="Client", slug=client), client, client)
    await tell(log, PlaceOrganisation(partner=partner), client, client)
    site = new_id()
    await tell(log, PutRecord(kind="site", body={"name": "Abroad"}), site, client)
    for role, status in (("member", 404), ("viewer", 403)):
        me = await member(log, stack, {partner: role})
        me.headers.update({"X-Act-As-Kind": "channel_partner", "X-Act-As-ID": partner})
        (system,) = (await me.get("/dev/systems")).json()
        assert (system["NxID"], system["Organisation"]["Name"]) == (site, "Client")
        refused(await me.delete(f"/dev/system/{site}/device/{NIL}/functions"), status)
        refused(await me.get(f"/cpt/function/{model['UUID']}"), 404)
        refused(await me.get("/cpt/functions", headers={"X-Act-As-ID": client}), 403)
        refused(await me.get("/cpt/functions", headers={"X-Act-As-Kind": "organization"}), 403)
        refused(await me.get("/cpt/functions", headers={"X-Act-As-ID": ids["acme"]}), 403)
        await me.aclose()
    refused(await acme.get("/dev/systems", headers={"X-Act-As-Kind": "channel_partner", "X-Act-As-ID": partner}), 403)
