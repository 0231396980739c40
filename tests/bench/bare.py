"""The yardstick: FastAPI and one Postgres insert, nothing else. `python -m tests.bench.bare PORT DSN`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel


class Site(BaseModel):
    name: str


def create(dsn: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await asyncpg.create_pool(dsn, min_size=4, max_size=8)
        await app.state.pool.execute("create table if not exists public.bare (id uuid primary key, name text not null)")
        yield
        await app.state.pool.execute("drop table public.bare")
        await app.state.pool.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/sites", status_code=201)
    async def make(site: Site, request: Request) -> dict[str, str]:
        id = str(uuid4())
        await request.app.state.pool.execute("insert into public.bare (id, name) values ($1, $2)", id, site.name)
        return {"id": id, "name": site.name}

    @app.get("/nothing")
    async def nothing() -> dict[str, str]:
        return {"id": "1", "name": "bare"}

    return app


if __name__ == "__main__":
    uvicorn.run(
        create(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
