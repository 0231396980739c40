"""A picture that lies in the object store is asked for; refused, its object goes (contract 6.2, 7.2)."""

from __future__ import annotations

from api.acusight.problems import Problem
from api.acusight.upload import discard
from api.auth import Caller
from api.gateway import Ask, Gateway, Refused
from infra.objects import Objects
from projections.media import queries as media
from schemas.ids import new_id
from schemas.media.messages import StoreImage

TRIES = 3


async def stored(gate: Gateway, caller: Caller, command: StoreImage, ask: Ask, objects: Objects) -> str:
    """Id of the picture, which may have to look for a free number.

    Errors: Refused, Problem CONFLICT; then the object is gone.
    """
    try:
        for _ in range(TRIES):
            image = ask.entity("image")
            try:
                await gate.ask(command, stream=image, caller=caller, ask=ask)
                return image
            except Refused as refused:
                if refused.field != "number" or ask.keyed:
                    raise
                ask = Ask(new_id())
        raise Problem("CONFLICT", "The image found no number; send it again.")
    except (Refused, Problem):
        await discard(objects, command.storage_key)
        raise


async def of_same_bytes(gate: Gateway, caller: Caller, sha256: str) -> int | None:
    """Number of the picture with these bytes; none can be named while that one is on its way."""
    async with gate.reading(caller) as db:
        there = await media.image_of_bytes(db, sha256)
    return None if there is None else int(there["number"])
