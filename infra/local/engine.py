"""The ClickHouse engine inside one process: statements with settings in, bytes out.

A connection of its own for each statement costs 0.7 ms and makes settings die with it, so nothing leaks from one
caller into the next. Connections to one path run in parallel; the first is kept, for it holds the engine.
"""

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chdb.state import connect

ORGANISATION = "SQL_org"
ORGANISATION_COLUMNS = ("org", "organisation")
EVERYONE = "*"
READ_ONLY, MUTATING = 0, 1  # chdb's query_class
FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(\w+)", re.DOTALL)
RAW_READS = re.compile(r"\b(merge|mergetreeindex|mergetreeprojection|loop|dictget\w*|dictionary)\s*\(", re.I)
CONFIG = """\
<clickhouse>
  <logger><level>warning</level><console>0</console></logger>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <merge_tree><fsync_after_insert>1</fsync_after_insert><fsync_part_directory>1</fsync_part_directory></merge_tree>
</clickhouse>
"""


class Refused(Exception):
    """What the engine, or the door before it, would not do; `code` is ClickHouse's own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it came through the door."""

    text: str
    data: bytes | None = None
    """Rows of an insert, in `format`; then `text` ends before `FORMAT`."""
    format: str = "TabSeparated"
    database: str = "default"
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    format: str | None
    """None where the statement has no result."""
    rows_read: int = 0
    rows_written: int = 0
    elapsed: float = 0.0


class Engine:
    """The one engine of this process, on one directory."""

    def __init__(self, path: Path, memory: int = 4 << 30) -> None:
        path.mkdir(parents=True, exist_ok=True)
        config = path.with_name("config.xml")
        config.write_text(CONFIG.format(memory=memory), encoding="utf-8")
        self._where = f"{path}?config-file={config}"
        self._keeper = connect(self._where)
        self._filters: str | None = None
        self._lock = threading.Lock()

    def run(self, statement: Statement) -> Answer:
        """Do one statement; called from worker threads, many at a time."""
        link = connect(self._where)
        try:
            return self._run(link, statement)
        except Refused:
            raise
        except Exception as error:  # chdb raises bare RuntimeErrors with ClickHouse's text
            raise Refused(code_of(str(error)), str(error)) from error
        finally:
            link.close()

    def make_database(self, name: str) -> None:
        self._keeper.query(f"CREATE DATABASE IF NOT EXISTS {quoted_name(name)}")

    def close(self) -> None:
        self._keeper.close()

    def _run(self, link: Any, statement: Statement) -> Answer:
        if statement.database != "default":
            link.query(f"USE {quoted_name(statement.database)}")
        settings = dict(statement.settings)
        scope = settings.pop(ORGANISATION, EVERYONE)
        reads_only = judged(link, statement, scoped=scope != EVERYONE or settings.get("readonly", "0") != "0")
        if scope != EVERYONE:
            settings |= {"additional_table_filters": self._scoped(scope), "readonly": "1"}
        if settings:
            link.query("SET " + ", ".join(f"{plain(name)}={quoted(value)}" for name, value in ordered(settings)))
        if statement.data is not None:
            return inserted(link, statement.text, statement.format, statement.data)
        result = link.query(statement.text, statement.format, params=dict(statement.parameters) or None)
        if not reads_only:
            self._filters = None
        shown = statement.format if reads_only else None
        return Answer(bytes(result.bytes() or b""), shown, result.rows_read(), 0, result.elapsed())

    def _scoped(self, organisation: str) -> str:
        """The row filter of every table that has an organisation, as one setting."""
        if not re.fullmatch(r"[\w-]{1,64}", organisation):
            raise Refused(36, f"DB::Exception: {ORGANISATION} is not an organisation. (BAD_ARGUMENTS)")
        filters = self._filters
        if filters is None:
            with self._lock:
                filters = self._filters = self._tables()
        return filters.replace("\0", organisation)

    def _tables(self) -> str:
        wanted = ", ".join(quoted(name) for name in ORGANISATION_COLUMNS)
        rows = self._keeper.query(
            f"SELECT c.database, c.table, c.name FROM system.columns AS c JOIN system.tables AS t "
            f"ON t.database = c.database AND t.name = c.table "
            f"WHERE c.name IN ({wanted}) AND t.engine LIKE '%MergeTree%' FORMAT TabSeparatedRaw",
            "TabSeparatedRaw",
        )
        filters = (line.split("\t") for line in str(rows).splitlines() if line)
        pairs = (
            f"{quoted(f'{db}.{table}')}: {quoted(f'{column} = {quoted(chr(0))}')}" for db, table, column in filters
        )
        return "{" + ", ".join(pairs) + "}"


def judged(link: Any, statement: Statement, scoped: bool) -> bool:
    """Does it only read? Several statements at once, and reads that leave the engine, are refused here."""
    whole = statement.text if statement.data is None else f"{statement.text} FORMAT {statement.format}"
    verdict = link._conn.classify_query(whole)
    kind, count = int(verdict["query_class"]), int(verdict["statement_count"])
    if count == 0:
        explain_syntax(link, whole)
    if count > 1:
        raise Refused(62, "Code: 62. DB::Exception: Multi-statements are not allowed. (SYNTAX_ERROR)")
    word = first_word(statement.text)
    if kind == READ_ONLY and scoped and RAW_READS.search(statement.text):
        raise Refused(497, "Code: 497. DB::Exception: This function would pass the row filter. (ACCESS_DENIED)")
    if kind not in (READ_ONLY, MUTATING) and word in ("select", "with", "from"):
        raise Refused(497, "Code: 497. DB::Exception: INTO OUTFILE is not allowed here. (ACCESS_DENIED)")
    return kind == READ_ONLY


def explain_syntax(link: Any, text: str) -> None:
    """Have the engine say what is wrong with SQL it cannot parse, without running the part that it can."""
    link.query(f"SELECT formatQuery({quoted(text)})", "TabSeparated")
    raise Refused(62, "Code: 62. DB::Exception: Cannot be parsed. (SYNTAX_ERROR)")


def inserted(link: Any, text: str, form: str, data: bytes) -> Answer:
    """Hand the rows to the table in one piece; one batch is one block, so a crash leaves all of it or nothing."""
    with link.send_insert(text, form) as sink:
        if data:
            sink.append(data)
        done = sink.finish()
    return Answer(b"", None, 0, int(done.rows_written), float(done.elapsed))


def ordered(settings: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """`readonly` last: nothing can be set after it."""
    return sorted(settings.items(), key=lambda item: item[0] == "readonly")


def first_word(text: str) -> str:
    found = FIRST_WORD.match(text)
    return found[1].lower() if found else ""


def code_of(message: str) -> int:
    found = re.search(r"Code: (\d+)", message)
    return int(found[1]) if found else 1000


def plain(name: str) -> str:
    if not re.fullmatch(r"\w+", name):
        raise Refused(115, f"Code: 115. DB::Exception: Unknown setting {name!r}. (UNKNOWN_SETTING)")
    return name


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_name(name: str) -> str:
    return "`" + name.replace("`", "\\`") + "`"
