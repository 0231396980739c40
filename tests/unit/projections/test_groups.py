"""Rows folded into sets: the outcome must be that of one row at a time."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projections.rows import Add, Change, Drop, Put, Row
from projections.runner import groups

Table = dict[int, dict[str, Any]]


def applied(table: Table, row: Row) -> None:
    """What a row means."""
    match row:
        case Put():
            table[row.key["id"]] = {**table.get(row.key["id"], {}), **row.key, **row.values}
        case Change():
            for found in matching(table, row.key):
                found.update(row.values)
        case Add():
            for found in matching(table, row.key):
                found.update({name: found.get(name, 0) + value for name, value in row.values.items()})
        case Drop():
            for found in matching(table, row.key):
                del table[found["id"]]


def matching(table: Table, key: dict[str, Any]) -> list[dict[str, Any]]:
    return [found for found in list(table.values()) if all(found.get(name) == value for name, value in key.items())]


ids, parents, values = st.integers(0, 3), st.integers(0, 1), st.integers(0, 9)
rows = st.one_of(
    st.builds(lambda i, p, v: Put("t", {"id": i}, {"parent": p, "n": v}), ids, parents, values),
    st.builds(lambda i, v: Change("t", {"id": i}, {"n": v}), ids, values),
    st.builds(lambda p, v: Change("t", {"parent": p}, {"n": v}), parents, values),
    st.builds(lambda i, v: Add("t", {"id": i}, {"n": v}), ids, values),
    st.builds(lambda i: Drop("t", {"id": i}), ids),
    st.builds(lambda p: Drop("t", {"parent": p}), parents),
)


@given(st.lists(rows, max_size=12), st.integers())
def test_groups_mean_what_their_rows_mean(stream: list[Row], seed: int) -> None:
    """Inside a group order must not matter: it is shuffled."""
    one_by_one: Table = {}
    for row in stream:
        applied(one_by_one, row)
    grouped: Table = {}
    for group in groups(iter(stream)):
        shuffled = list(group)
        random.Random(seed).shuffle(shuffled)
        for row in shuffled:
            applied(grouped, row)
    assert grouped == one_by_one
