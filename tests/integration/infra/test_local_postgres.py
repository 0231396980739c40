"""PostgreSQL as every user it may meet: root in a namespace, root as `nobody`, an ordinary one, one without a name."""

import asyncio
import shutil
import signal
import time
from pathlib import Path

import asyncpg
import pytest

from infra.local import ports, postgres
from infra.settings import Settings

WAYS = {
    "namespace": ("unshare", "--user", f"--map-user={postgres.NOBODY}"),
    "capability": ("setpriv", *postgres.SETPRIV, *postgres.KEPT),
    "itself": (),
}


def able(way: tuple[str, ...]) -> bool:
    """Can this machine do it, for the user who runs the tests?"""
    if not way:
        return postgres.ordinary()
    return not postgres.ordinary() and shutil.which(way[0]) is not None and postgres.works(way)


@pytest.mark.parametrize("name", WAYS)
async def test_it_runs_as_anybody(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not able(WAYS[name]):
        pytest.skip("not possible here, or not for this user")
    monkeypatch.setattr(postgres, "disguise", lambda: WAYS[name])
    closed = tmp_path / "closed to others"
    closed.mkdir(mode=0o700)
    settings = ports.remember(Settings(var=closed / "var"), choose=True)
    postgres.prepare(settings)
    server = await asyncio.create_subprocess_exec(*postgres.command(settings))
    try:
        deadline = time.monotonic() + 20
        while not postgres.ready(settings):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await postgres.make_roles(settings)
        await postgres.make_roles(settings)  # a second `up`
        link = await asyncpg.connect(settings.postgres.api)
        assert await link.fetchval("SELECT current_user") == "sightlog_api"
        await link.close()
    finally:
        server.send_signal(signal.SIGINT)
        await server.wait()
    postgres.prepare(settings)  # a cluster that is there stays
