"""Multipart bodies, however the network cuts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.multipart import HEADERS_LIMIT, Malformed, parts

TYPE = "multipart/form-data; boundary=----x"
GIVEN = [("video", "a film.mp4", "video/mp4", b"\r\n--\x00----x\r\n" * 3), ("webhook", None, "application/json", b"{}")]


def body(given: Sequence[tuple[str, str | None, str, bytes]] = GIVEN) -> bytes:
    out = b""
    for name, filename, content_type, data in given:
        file = f'; filename="{filename}"' if filename else ""
        head = f'------x\r\nContent-Disposition: form-data; name="{name}"{file}\r\nContent-Type: {content_type}\r\n\r\n'
        out += head.encode() + data + b"\r\n"
    return out + b"------x--\r\n"


async def chunks(data: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        yield data[start:end]


async def read(
    data: bytes, cuts: Sequence[int] = (), content_type: str = TYPE, most: int = 1 << 20
) -> list[tuple[str, str | None, str, bytes]]:
    found = parts(content_type, chunks(data, cuts))
    return [(part.name, part.filename, part.content_type, await part.read(most)) async for part in found]


@given(st.lists(st.integers(0, 10**6), max_size=12))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    assert asyncio.run(read(body(), cuts)) == GIVEN


async def test_a_part_that_is_not_read_is_passed_over() -> None:
    assert [part.name async for part in parts(TYPE, chunks(body(), [50, 90]))] == ["video", "webhook"]


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (body()[:-8], TYPE),
        (b"", TYPE),
        (b"no parts", TYPE),
        (body(), "multipart/form-data"),
        (body(), "text/plain; boundary=----x"),
        (b"------x\r\nContent-Type: a/b\r\n\r\nx\r\n------x--\r\n", TYPE),
        (b"------x\r\nX-Long: " + b"a" * (HEADERS_LIMIT + 1), TYPE),
    ],
)
async def test_what_is_malformed(data: bytes, content_type: str) -> None:
    with pytest.raises(Malformed):
        await read(data, content_type=content_type)


async def test_a_part_has_a_limit() -> None:
    with pytest.raises(Malformed, match="larger than 3 bytes"):
        await read(body(), most=3)
