"""Every operation that a dialect's own page names is published, without a difference."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.coverage import lacking
from tests.contracts.documents import SURFACES, Operation, contract, published

SEED = [operation for surface in SURFACES for operation in contract(surface)]
Shape = tuple[str, str]


@pytest.fixture(scope="module")
def ours(stack: dict[str, Any]) -> dict[str, dict[Shape, Operation]]:
    return {surface: {one.shape: one for one in published(stack["api"], surface)} for surface in SURFACES}


def test_there_are_as_many_as_the_pages_name() -> None:
    counted = {surface: sum(one.surface == surface for one in SEED) for surface in SURFACES}
    assert counted == {"nx": 11, "acusight": 22, "iot": 19, "noxovision": 6}


@pytest.mark.parametrize("wanted", SEED, ids=str)
def test_published(wanted: Operation, ours: dict[str, dict[Shape, Operation]]) -> None:
    there = ours[wanted.surface]
    assert wanted.shape in there, "is not published"
    assert lacking(wanted, there[wanted.shape]) == {}
