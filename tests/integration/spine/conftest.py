"""An organisation that nobody else has."""

import pytest

from schemas.ids import new_id


@pytest.fixture
def organisation() -> str:
    return new_id()
