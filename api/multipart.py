"""Multipart bodies as they arrive: part after part, chunk after chunk, nothing kept."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from email.message import Message
from typing import Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

HEADERS_LIMIT = 16 << 10
"""Bytes of one part's headers."""


class Malformed(ValueError):
    """The body is not what its content type says."""


class Part:
    """One part; its chunks are there once, before the next part is asked for."""

    def __init__(
        self, name: str, filename: str | None, content_type: str, events: AsyncIterator[tuple[str, Any]]
    ) -> None:
        self.name = name
        self.filename = filename
        self.content_type = content_type
        self._events = events
        self._over = False

    async def chunks(self) -> AsyncIterator[bytes]:
        while not self._over:
            kind, data = await anext(self._events)
            if kind == "data":
                yield data
            self._over = kind == "end"

    async def read(self, limit: int) -> bytes:
        """The whole part.

        Errors: Malformed beyond `limit` bytes.
        """
        body = b""
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise Malformed(f"part {self.name} is larger than {limit} bytes")
        return body


async def parts(content_type: str, body: AsyncIterable[bytes]) -> AsyncIterator[Part]:
    """The parts of a `multipart/form-data` body.

    Errors: Malformed.
    """
    said = parsed(content_type)
    boundary = said.get_param("boundary")
    if said.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise Malformed("multipart/form-data needs a boundary")
    events = parse(boundary, body)
    async for kind, headers in events:
        if kind == "begin":
            part = named(headers, events)
            yield part
            async for _ in part.chunks():
                continue


def parsed(content_type: str) -> Message:
    message = Message()
    message["Content-Type"] = content_type
    return message


def named(headers: dict[str, str], events: AsyncIterator[tuple[str, Any]]) -> Part:
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "")
    name = message.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise Malformed("a part has no name")
    return Part(name, message.get_filename(), headers.get("content-type", "").split(";")[0].strip(), events)


async def parse(boundary: str, body: AsyncIterable[bytes]) -> AsyncIterator[tuple[str, Any]]:
    """`begin` with the part's headers, `data`, `end`, as the bytes come."""
    found = Found()
    try:
        parser = MultipartParser(boundary.encode("latin-1"), found.callbacks())
        async for chunk in body:
            parser.write(chunk)
            for event in found.taken():
                yield event
    except (MultipartParseError, UnicodeError) as problem:
        raise Malformed("the multipart body cannot be read") from problem
    if not found.complete:
        raise Malformed("the multipart body ends too early")


class Found:
    """What the parser calls back."""

    def __init__(self) -> None:
        self.complete = False
        self.events: list[tuple[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.name = self.value = b""
        self.size = 0

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self.begin,
            "on_header_field": self.add_name,
            "on_header_value": self.add_value,
            "on_header_end": self.header,
            "on_headers_finished": lambda: self.events.append(("begin", self.headers)),
            "on_part_data": lambda data, start, end: self.events.append(("data", data[start:end])),
            "on_part_end": lambda: self.events.append(("end", None)),
            "on_end": self.end,
        }

    def taken(self) -> list[tuple[str, Any]]:
        events, self.events = self.events, []
        return events

    def begin(self) -> None:
        self.headers, self.name, self.value, self.size = {}, b"", b"", 0

    def add_name(self, data: bytes, start: int, end: int) -> None:
        self.name += self.counted(data[start:end])

    def add_value(self, data: bytes, start: int, end: int) -> None:
        self.value += self.counted(data[start:end])

    def counted(self, data: bytes) -> bytes:
        self.size += len(data)
        if self.size > HEADERS_LIMIT:
            raise MultipartParseError("headers too long")
        return data

    def header(self) -> None:
        self.headers[self.name.decode("latin-1").lower()] = self.value.decode("utf-8", "replace")
        self.name = self.value = b""

    def end(self) -> None:
        self.complete = True
