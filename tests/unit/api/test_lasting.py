"""Answers that last: sent again as they were, to the same caller, until the organisation records something."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from api.app import Observed
from api.auth import Caller
from api.gateway import Gateway
from api.lasting import SECONDS, Lasting
from infra.settings import Settings


class World:
    """A surface with one lasting route and one that is not, in front of a row that changes."""

    def __init__(self) -> None:
        self.row = 0
        self.asked = 0
        self.now = 0.0
        self.revoked = False
        self.gateway = Gateway(Settings())
        self.gateway.notices.listening = True
        app = FastAPI()

        async def answer(request: Request) -> Response:
            request.state.caller = await self.known(request)
            self.asked += 1
            return Response(str(self.row), headers={"x-asked": str(self.asked)})

        app.get("/lasting", name="get_lasting")(answer)
        app.get("/fleeting", name="get_fleeting")(answer)
        door = Observed(
            Lasting(app, self.gateway, self.known, PermissionError, {"get_lasting"}, clock=lambda: self.now)
        )
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(door, raise_app_exceptions=False), base_url="http://test"
        )

    async def known(self, request: Request) -> Caller:
        if self.revoked:
            raise PermissionError
        assert isinstance(request.app, FastAPI), "a credential is looked up with what the surface was handed"
        actor = request.headers["authorization"]
        return Caller(organisation=actor.split("/")[0], actor=actor, role="member", surface="iot")

    async def get(self, path: str = "/lasting", actor: str = "acme/a", **headers: Any) -> str:
        answer = await self.client.get(path, headers={"authorization": actor, **headers})
        return answer.text if answer.status_code == 200 else str(answer.status_code)


@pytest.fixture
def world() -> World:
    return World()


async def test_the_same_question_is_answered_once(world: World) -> None:
    assert [await world.get() for _ in range(3)] == ["0", "0", "0"]
    assert world.asked == 1


async def test_until_the_organisation_records_something(world: World) -> None:
    await world.get()
    world.row = 1
    world.gateway.changed({("records", "globex")})
    assert await world.get() == "0"
    world.gateway.changed({("records", "acme")})
    assert await world.get() == "1"


async def test_a_lost_connection_forgets_everything(world: World) -> None:
    await world.get()
    world.row = 1
    world.gateway.changed(None)
    assert await world.get() == "1"


async def test_while_no_notices_come_nothing_is_kept(world: World) -> None:
    world.gateway.notices.listening = False
    await world.get()
    world.row = 1
    assert await world.get() == "1"


async def test_each_caller_is_answered_apart(world: World) -> None:
    await world.get(actor="acme/a")
    world.row = 1
    assert await world.get(actor="acme/b") == "1"
    assert await world.get(actor="globex/a") == "1"
    assert await world.get(actor="acme/a") == "0"


async def test_each_query_is_answered_apart(world: World) -> None:
    await world.get("/lasting?q=a")
    world.row = 1
    assert await world.get("/lasting?q=b") == "1"


async def test_a_credential_is_checked_each_time(world: World) -> None:
    await world.get()
    world.revoked = True
    assert await world.get() == "500"


async def test_other_routes_are_asked_each_time(world: World) -> None:
    await world.get("/fleeting")
    world.row = 1
    assert await world.get("/fleeting") == "1"


async def test_an_answer_that_depends_on_the_request_is_not_kept_from_it(world: World) -> None:
    await world.get()
    world.row = 1
    assert await world.get(**{"if-none-match": '"x"'}) == "1"


async def test_nothing_is_kept_for_long(world: World) -> None:
    await world.get()
    world.row, world.now = 1, SECONDS + 1
    assert await world.get() == "1"


async def test_each_answer_has_its_own_id_and_the_same_headers(world: World) -> None:
    sent = [(await world.client.get("/lasting", headers={"authorization": "acme/a"})).headers for _ in range(4)]
    assert len({headers["x-request-id"] for headers in sent}) == 4
    assert {tuple(sorted(headers.keys())) for headers in sent} == {tuple(sorted(sent[0].keys()))}
    assert {headers["x-asked"] for headers in sent} == {"1"}
