"""ClickHouse's HTTP interface: a request in, a `Statement` out. What clickhouse-connect sends, both its clients."""

import gzip
import re
import zlib
from collections.abc import Callable, Mapping

from aiohttp import web

from infra.local.engine import Refused, Statement

# What concerns the transport, or names what this door has not: taken, and of no effect.
TRANSPORT = frozenset(
    "query database default_format user password quota_key role session_id session_timeout session_check query_id "
    "compress decompress wait_end_of_query buffer_size enable_http_compression http_zlib_compression_level "
    "send_progress_in_http_headers http_headers_progress_interval_ms client_protocol_version close_session "
    "cancel_http_readonly_queries_on_client_close http_response_buffer_size stacktrace http_make_head_request".split()
)
NAME = rb"(?:\w+|`[^`]+`|\"[^\"]+\")"
INSERT = re.compile(
    rb"\A(?P<head>\s*insert\s+into\s+(?:table\s+)?" + NAME + rb"(?:\s*\.\s*" + NAME + rb")?\s*(?:\([^()]*\))?\s*"
    rb"(?:settings\s+[^;]*?)?)\s*\bformat\s+(?P<format>\w+)[ \t;]*(?:\r?\n|\Z)",
    re.IGNORECASE,
)
FORMAT = re.compile(r"\bformat\s+(\w+)\s*(?:settings\b[^']*)?;?\s*\Z", re.IGNORECASE)


def unlz4(packed: bytes) -> bytes:
    import lz4.frame

    return bytes(lz4.frame.decompress(packed))


def unzstd(packed: bytes) -> bytes:
    from backports import zstd

    return zstd.decompress(packed)


UNPACK: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": unlz4,
    "zstd": unzstd,
}


async def read_statement(request: web.Request) -> Statement:
    """The SQL may stand in the URL, in the body, in a form, or begin in the URL and go on in the body."""
    fields = dict(request.query)
    if request.content_type == "multipart/form-data":
        form = await request.post()
        fields |= {name: value for name, value in form.items() if isinstance(value, str)}
        body = b""
    else:
        body = unpacked(await request.read(), request.headers.get("Content-Encoding", ""))
    sql = b"\n".join(part for part in (fields.get("query", "").encode(), body) if part)
    if not sql.strip():
        raise Refused(62, "Code: 62. DB::Exception: Empty query. (SYNTAX_ERROR)")
    fallback = fields.get("default_format") or request.headers.get("X-ClickHouse-Format") or "TabSeparated"
    database = fields.get("database") or request.headers.get("X-ClickHouse-Database") or "default"
    text, data, form_name = split(sql, fallback)
    return Statement(text, data, form_name, database, parameters(fields), settings(fields, request.method))


def split(sql: bytes, fallback: str) -> tuple[str, bytes | None, str]:
    """Part an insert's text from its rows, which are bytes and may look like anything."""
    if found := INSERT.match(sql):
        return found["head"].decode(), sql[found.end() :], found["format"].decode()
    try:
        text = sql.decode().strip().rstrip(";")
    except UnicodeDecodeError as error:
        raise Refused(62, "Code: 62. DB::Exception: The query is not UTF-8. (SYNTAX_ERROR)") from error
    stated = FORMAT.search(text)
    return text, None, stated[1] if stated else fallback


def unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity") or not body:
        return body
    if encoding not in UNPACK:
        raise Refused(89, f"Code: 89. DB::Exception: Unknown Content-Encoding {encoding}. (UNKNOWN_COMPRESSION_METHOD)")
    try:
        return UNPACK[encoding](body)
    except Exception as error:  # each library has its own
        raise Refused(354, f"Code: 354. DB::Exception: Bad {encoding} body: {error}. (ZLIB_INFLATE_FAILED)") from error


def parameters(fields: Mapping[str, str]) -> dict[str, str]:
    return {name[6:]: value for name, value in fields.items() if name.startswith("param_")}


def settings(fields: Mapping[str, str], method: str) -> dict[str, str]:
    """Every other field is a setting of the engine; a GET never changes anything."""
    found = {n: v for n, v in fields.items() if n not in TRANSPORT and not n.startswith("param_")}
    return {**found, "readonly": found.get("readonly", "1")} if method == "GET" else found
