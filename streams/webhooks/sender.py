"""One signed POST: where it goes is checked again as the connection is made, what comes back is read within limits."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import UTC, datetime
from ipaddress import ip_address
from tempfile import NamedTemporaryFile
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from streams.webhooks.addresses import Target, permits
from streams.webhooks.schedule import Outcome, asked_seconds

CONNECT_SECONDS = 5.0
"""Of the whole try, for name, connection and TLS."""
KEPT, READ = 16 << 10, 64 << 10
"""Bytes of an answer that are kept, and read."""
IDLE_SECONDS = 30.0
LOOKUPS = 64
TRY: ContextVar[SimpleNamespace] = ContextVar("try")
"""The try that a connection is made for: its `answer`, and whether it goes to this machine (`local`)."""
WISHES = ("abort-message", "disable")


class Blocked(OSError):
    """A name led to an address that is refused."""


class Answer(msgspec.Struct, kw_only=True):
    """What came of a try."""

    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    status: int | None = None
    headers: dict[str, str] = {}
    body: str = ""
    truncated: bool = False
    remote_ip: str | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float = 0.0
    retry_after: int | None = None
    wish: str | None = None


class Lookup(AbstractResolver):
    """Names to addresses, all of which must be permitted. A name is looked up once at a time, in threads of our own, so
    that a name server that hangs holds one of them."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup")
        self.running: dict[tuple[str, int], asyncio.Future[list[Any]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.shield(self.lookup(host, port))
        if not all(permits(ip_address(entry[4][0]), local=TRY.get().local) for entry in found):
            raise Blocked
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=sockaddr[0], port=port, family=kind, proto=proto, flags=flags)
            for kind, _, proto, _, sockaddr in found
        ]

    def lookup(self, host: str, port: int) -> asyncio.Future[list[Any]]:
        key = (host, port)
        if key not in self.running:
            task = asyncio.get_running_loop().run_in_executor(self.threads, resolved, host, port)
            self.running[key] = task
            task.add_done_callback(lambda done: self.running.pop(key, None) and (done.cancelled() or done.exception()))
        return self.running[key]

    async def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


def resolved(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Checked(aiohttp.ClientRequest):
    """Writes nothing before it has seen where the connection leads, however it came about."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        peer = conn.transport.get_extra_info("peername")[0]
        if not permits(ip_address(peer), local=TRY.get().local):
            conn.close()
            raise Blocked
        TRY.get().answer.remote_ip = peer
        return await super().send(conn)


class Sender:
    """Sends; no redirects, no cookies, no proxies from the environment, no chunks."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.tls = tls_context()
        self.connector = aiohttp.TCPConnector(
            limit=0,
            ssl=self.tls,
            resolver=Lookup(),
            use_dns_cache=False,
            keepalive_timeout=IDLE_SECONDS,
            enable_cleanup_closed=False,
        )
        self.session = aiohttp.ClientSession(
            connector=self.connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[phases()],
            request_class=Checked,
        )

    async def close(self) -> None:
        await self.session.close()

    async def post(
        self, target: Target, body: bytes, headers: dict[str, str], *, seconds: float, tls: ssl.SSLContext | None = None
    ) -> Answer:
        """One try. Never raises: what went wrong is an outcome. A pooled connection that turns out dead is no try."""
        started, clock = datetime.now(UTC), time.perf_counter()
        answer = Answer(started_at=started, ended_at=started, outcome="aborted")
        seen = SimpleNamespace(reused=False, answer=answer, local=target.local)
        TRY.set(seen)
        said = {"Content-Type": "application/json", "User-Agent": self.agent, "Accept-Encoding": "identity", **headers}
        try:
            async with asyncio.timeout(seconds):
                await self.attempt(URL(target.url, encoded=True), body, said, tls, seen)
        except Exception as problem:
            answer.outcome = answer.outcome if answer.status is not None else outcome_of(problem)
        answer.ended_at = datetime.now(UTC)
        answer.total_ms = ms(time.perf_counter() - clock)
        answer.dns_ms, answer.connect_ms = getattr(seen, "dns_ms", None), getattr(seen, "connect_ms", None)
        answer.first_byte_ms = getattr(seen, "first_byte_ms", None)
        return answer

    async def attempt(self, url: URL, body: bytes, headers: dict[str, str], tls: Any, seen: SimpleNamespace) -> None:
        try:
            await self.once(url, body, headers, tls, seen)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not seen.reused or seen.answer.status is not None:
                raise
            await self.once(url, body, headers, tls, seen)

    async def once(self, url: URL, body: bytes, headers: dict[str, str], tls: Any, seen: SimpleNamespace) -> None:
        seen.reused, start, answer = False, time.perf_counter(), seen.answer
        async with self.session.post(
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            ssl=tls or self.tls,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
            trace_request_ctx=seen,
        ) as response:
            seen.first_byte_ms = ms(time.perf_counter() - start)
            answer.status = response.status
            answer.outcome = "success" if 200 <= response.status < 300 else "http_error"
            answer.headers = {name: value[:1024] for name, value in list(response.headers.items())[:64]}
            answer.retry_after = asked_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
            wish = response.headers.get("webhook-delivery", "").strip().lower()
            answer.wish = wish if wish in WISHES else None
            await read(response, answer)


async def read(response: aiohttp.ClientResponse, answer: Answer) -> None:
    """The first 16 KiB are kept; past 64 KiB nobody reads on, and the connection is closed."""
    kept = bytearray()
    try:
        while len(kept) < READ and (chunk := await response.content.readany()):
            kept += chunk
    finally:
        answer.body = bytes(kept[:KEPT]).decode("utf-8", "replace").replace("\0", "\ufffd")
        answer.truncated = len(kept) > KEPT
        if not response.content.at_eof():
            response.close()


def outcome_of(problem: Exception) -> Outcome:
    """Which phase failed."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, Blocked):
            return "blocked_address"
        cause = cause.__cause__ or cause.__context__
    match problem:
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorDNSError():
            return "dns_error"
        case (
            aiohttp.ClientConnectorCertificateError()
            | aiohttp.ClientSSLError()
            | ssl.SSLError()
            | ssl.CertificateError()
        ):
            return "tls_error"
        case aiohttp.ClientConnectorError():
            return "connect_error"
        case _:
            return "aborted"


def phases() -> aiohttp.TraceConfig:
    """Times of name lookup and connection, and whether a pooled one was taken."""
    trace = aiohttp.TraceConfig()

    async def reused(_session: Any, context: Any, _params: Any) -> None:
        context.trace_request_ctx.reused = True

    def timed(name: str) -> tuple[Any, Any]:
        async def start(_session: Any, context: Any, _params: Any) -> None:
            setattr(context, name, time.perf_counter())

        async def end(_session: Any, context: Any, _params: Any) -> None:
            setattr(context.trace_request_ctx, name, ms(time.perf_counter() - getattr(context, name)))

        return start, end

    trace.on_connection_reuseconn.append(reused)
    for name, starts, ends in (
        ("dns_ms", trace.on_dns_resolvehost_start, trace.on_dns_resolvehost_end),
        ("connect_ms", trace.on_connection_create_start, trace.on_connection_create_end),
    ):
        start, end = timed(name)
        starts.append(start)
        ends.append(end)
    return trace


def tls_context(ca: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 or later; certificates are always checked."""
    context = ssl.create_default_context(cadata=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def client_context(pem: str) -> ssl.SSLContext:
    """For mTLS: `pem` is JSON of the client's certificate and key, and maybe the receiver's CA.

    Errors: ssl.SSLError when they do not fit; the try fails closed.
    """
    parts = orjson.loads(pem)
    context = tls_context(parts.get("ca_pem"))
    with NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(parts["client_certificate_pem"] + "\n" + parts["client_key_pem"])
        file.flush()
        context.load_cert_chain(file.name)
    return context


def ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
