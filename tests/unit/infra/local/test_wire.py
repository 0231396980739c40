"""Where an insert's text ends and its rows begin, and which format an answer has."""

import pytest

from infra.local.wire import split


@pytest.mark.parametrize(
    ("sql", "text", "data", "form"),
    [
        (b"INSERT INTO t FORMAT Native\n\x00\xff", "INSERT INTO t", b"\x00\xff", "Native"),
        (
            b"insert into `d`.`t` (`a`, b) format arrowstream\nrows",
            "insert into `d`.`t` (`a`, b)",
            b"rows",
            "arrowstream",
        ),
        (b'INSERT INTO "t" (a) SETTINGS x=1 FORMAT CSV\n1\n', 'INSERT INTO "t" (a) SETTINGS x=1', b"1\n", "CSV"),
        (b"INSERT INTO t (a) FORMAT Native", "INSERT INTO t (a)", b"", "Native"),
    ],
)
def test_an_insert_is_parted(sql: bytes, text: str, data: bytes, form: str) -> None:
    found = split(sql, "TabSeparated")
    assert (found[0].strip(), found[1], found[2]) == (text, data, form)


@pytest.mark.parametrize(
    ("sql", "form"),
    [
        (b"SELECT 1", "TabSeparated"),
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"SELECT 1\n format Native ;", "Native"),
        (b"SELECT 1 FORMAT Arrow SETTINGS max_threads = 1", "Arrow"),
        (b"INSERT INTO t VALUES ('x FORMAT Native\n')", "TabSeparated"),
        (b"INSERT INTO t SELECT 1", "TabSeparated"),
    ],
)
def test_the_rest_stays_whole(sql: bytes, form: str) -> None:
    text, data, found = split(sql, "TabSeparated")
    assert data is None
    assert found == form
    assert text == sql.decode().strip().rstrip(";")
