"""Objects in a directory: what goes in comes out, links lapse, and nothing leaves the directory."""

from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet

from infra.objects import PART, Objects, TooLarge
from infra.settings import Secrets, Settings


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(Settings(var=tmp_path, secrets=Secrets.model_validate({"encryption_keys": [Fernet.generate_key()]})))


async def chunks(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_what_goes_in_comes_out(objects: Objects) -> None:
    stored = await objects.put("acme/a.bin", b"0123456789")
    assert (stored.size, stored.sha256) == (10, sha256(b"0123456789").hexdigest())
    assert await objects.get("acme/a.bin") == b"0123456789"
    assert await objects.range("acme/a.bin", 2, 5) == b"234"
    assert [key async for key in objects.list("acme")] == [("acme/a.bin", 10)]
    assert (path := objects.path("acme/a.bin")) is not None
    assert path.read_bytes() == b"0123456789"
    await objects.delete("acme/a.bin", "acme/never")
    assert not await objects.exists("acme/a.bin")
    with pytest.raises(FileNotFoundError):
        await objects.get("acme/a.bin")


async def test_streams_in_and_out(objects: Objects) -> None:
    size = PART + 12_345
    stored = await objects.put_stream("v/big", chunks(size // 5, 5), limit=size)
    assert stored.sha256 == sha256(b"x" * stored.size).hexdigest()
    assert [len(piece) async for piece in objects.stream("v/big")] == [PART, stored.size - PART]


async def test_past_its_limit_nothing_is_stored(objects: Objects) -> None:
    with pytest.raises(TooLarge):
        await objects.put_stream("v/big", chunks(1000, 5), limit=4999)
    assert not await objects.exists("v/big")


@pytest.mark.parametrize("key", ["", "../x", "a/../../x", "/etc/passwd", "a//b", "a/.hidden", "a\0b", "a b", "x" * 600])
async def test_strange_keys_are_refused(objects: Objects, key: str) -> None:
    with pytest.raises(ValueError, match="not an object key"):
        await objects.put(key, b"")


async def test_links_hold_for_one_key_method_and_time(objects: Objects) -> None:
    link = urlsplit(await objects.link("acme/a.bin", timedelta(minutes=1)))
    assert link.path == "/objects/acme/a.bin"
    query = parse_qs(link.query)
    expires, signature = int(query["expires"][0]), query["signature"][0]
    assert objects.verify("acme/a.bin", expires, signature)
    assert not objects.verify("acme/b.bin", expires, signature)
    assert not objects.verify("acme/a.bin", expires + 1, signature)
    assert not objects.verify("acme/a.bin", expires, signature, "PUT")
    old = urlsplit(await objects.link("acme/a.bin", timedelta(seconds=-1)))
    gone = parse_qs(old.query)
    assert not objects.verify("acme/a.bin", int(gone["expires"][0]), gone["signature"][0])
