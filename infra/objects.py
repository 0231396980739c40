"""Object storage: a directory here, a bucket there, one set of calls. Keys travel, bytes stay."""

import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import quote, unquote, urlencode, urlsplit

import obstore
from obstore.store import LocalStore, S3Store, from_url

from infra.settings import Settings

if TYPE_CHECKING:
    from obstore.store import S3Config

KEY = re.compile(r"[A-Za-z0-9_=@-][A-Za-z0-9_.=@-]*(/[A-Za-z0-9_=@-][A-Za-z0-9_.=@-]*)*")
KEY_LIMIT = 512
PART = 8 << 20
LINKS = "/objects"
"""Where `api` answers local links."""
Method = Literal["GET", "PUT"]


class TooLarge(Exception):
    """A stream went past its limit; nothing of it was stored."""


@dataclass(frozen=True, slots=True)
class Stored:
    key: str
    size: int
    sha256: str


def checked(key: str) -> str:
    """Keys are made by us from ids; whatever else arrives here never reaches a path."""
    if len(key) > KEY_LIMIT or not KEY.fullmatch(key):
        raise ValueError(f"not an object key: {key!r}")
    return key


class Objects:
    """The store the settings name. A key that is not there raises `FileNotFoundError`, an outage `BaseError`."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.objects.url
        self._public = settings.api.public_url
        self._settings = settings
        self._store = opened(settings)

    async def put(self, key: str, data: bytes) -> Stored:
        await obstore.put_async(self._store, checked(key), data)
        return Stored(key, len(data), hashlib.sha256(data).hexdigest())

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes], limit: int) -> Stored:
        """Store a body as it arrives, in parts; past `limit` nothing of it stays."""
        size, digest = 0, hashlib.sha256()
        async with obstore.open_writer_async(self._store, checked(key), buffer_size=PART) as out:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"more than {limit} bytes")
                digest.update(chunk)
                await out.write(chunk)
        return Stored(key, size, digest.hexdigest())

    async def get(self, key: str) -> bytes:
        found = await obstore.get_async(self._store, checked(key))
        return bytes(await found.bytes_async())

    async def range(self, key: str, start: int, end: int) -> bytes:
        """Bytes from `start` up to but not including `end`."""
        return bytes(await obstore.get_range_async(self._store, checked(key), start=start, end=end))

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The object in pieces; memory holds one of them."""
        stop = await self.size(key) if end is None else end
        for at in range(start, stop, PART):
            yield await self.range(key, at, min(at + PART, stop))

    async def size(self, key: str) -> int:
        return int((await obstore.head_async(self._store, checked(key)))["size"])

    async def exists(self, key: str) -> bool:
        try:
            await self.size(key)
        except FileNotFoundError:
            return False
        return True

    async def delete(self, *keys: str) -> None:
        """What is gone already is as deleted as the rest."""
        for key in keys:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, checked(key))

    async def list(self, prefix: str) -> AsyncIterator[tuple[str, int]]:
        """Key and size of everything below a prefix."""
        async for page in obstore.list(self._store, checked(prefix)):
            for found in page:
                yield found["path"], found["size"]

    def path(self, key: str) -> Path | None:
        """The file itself where the store is a directory here, for decoders that want to seek."""
        if not isinstance(self._store, LocalStore):
            return None
        return directory(self._url) / checked(key)

    async def link(self, key: str, lifetime: timedelta, method: Method = "GET") -> str:
        """A link that works without credentials until it lapses. S3 signs its own; a directory gets ours."""
        if isinstance(self._store, S3Store):
            return str(await obstore.sign_async(self._store, method, checked(key), lifetime))
        expires = int(time.time() + lifetime.total_seconds())
        query = urlencode({"expires": expires, "signature": self._signature(key, expires, method)})
        return f"{self._public}{LINKS}/{quote(checked(key))}?{query}"

    def verify(self, key: str, expires: int, signature: str, method: Method = "GET") -> bool:
        """Is this one of our links, and still good? Any key in force counts, so keys can be rotated."""
        secrets = self._settings.secrets
        good = (sign(secret, key, expires, method) for secret in secrets.keys())  # noqa: SIM118 - a method
        return expires > time.time() and any(hmac.compare_digest(known, signature) for known in good)

    def _signature(self, key: str, expires: int, method: Method) -> str:
        return sign(self._settings.secrets.keys()[0], checked(key), expires, method)


def opened(settings: Settings) -> LocalStore | S3Store:
    url, options = settings.objects.url, settings.objects.options
    if urlsplit(url).scheme == "file":
        where = directory(url)
        where.mkdir(parents=True, exist_ok=True)
        return LocalStore(prefix=where)
    store = from_url(url, config=cast("S3Config", options))
    if not isinstance(store, S3Store):
        raise ValueError(f"objects.url must be file:// or s3://, not {url}")
    return store


def directory(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def sign(secret: str, key: str, expires: int, method: Method) -> str:
    """HMAC under a key of its own purpose, derived from the encryption key."""
    purpose = hmac.digest(secret.encode(), b"sightlog object links", "sha256")
    return hmac.digest(purpose, f"{method}\n{key}\n{expires}".encode(), "sha256").hex()
