"""Images of a batch, stored one by one; what is wrong with one is its item's error, not the batch's."""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Sequence

from api.auth import Caller
from api.noxovision.door import Draft
from api.noxovision.wire import ImageInput
from infra.objects import Objects
from schemas.analysis import keys
from schemas.analysis.messages import Item
from schemas.ids import new_id

ITEM_LIMIT = 20 << 20
AT_ONCE = 8
BREAKS = str.maketrans("", "", "\r\n")


class BadItem(Exception):
    """Why this image is refused at the door: `code` of the contract's section 9."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


def decoded(text: str) -> bytes:
    """The bytes behind base64: standard alphabet, line breaks and missing padding are forgiven.

    Errors: BadItem.
    """
    if text[:5].lower() == "data:":
        raise BadItem("invalid_base64", "data URI prefix is not allowed")
    plain = text.translate(BREAKS).rstrip("=")
    if len(plain) * 3 // 4 > ITEM_LIMIT:
        raise BadItem("item_too_large", f"more than {ITEM_LIMIT} bytes")
    try:
        return binascii.a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except ValueError:
        raise BadItem("invalid_base64", "not base64") from None


async def stored_items(objects: Objects, caller: Caller, draft: Draft, given: Sequence[ImageInput]) -> tuple[Item, ...]:
    """The batch's items in order, the good ones in the object store."""
    upload, turn = new_id(), asyncio.Semaphore(AT_ONCE)

    async def one(index: int, image: ImageInput) -> Item:
        try:
            data = await asyncio.to_thread(decoded, image.data_base64)
        except BadItem as bad:
            return Item(external_id=image.external_id, code=bad.code, message=bad.message)
        async with turn:
            stored = await objects.put(keys.item(caller.organisation, draft.id, upload, index), data)
        return Item(key=stored.key, external_id=image.external_id, bytes=stored.size)

    return tuple(await asyncio.gather(*(one(index, image) for index, image in enumerate(given))))
