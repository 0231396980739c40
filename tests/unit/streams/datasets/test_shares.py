"""Pictures into shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.datasets.shares import checked, split

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


def test_every_class_is_spread() -> None:
    pictures = {f"a{n}": ["common"] for n in range(50)} | {f"b{n}": ["rare"] for n in range(5)}
    told = split(pictures, SHARES)
    rare = [told[f"b{n}"] for n in range(5)]
    assert sorted(rare) == ["test", "train", "train", "train", "val"]
    assert sum(1 for share in told.values() if share == "val") == 11


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.lists(st.sampled_from("abc"), max_size=3), max_size=30))
def test_the_same_again_gives_the_same(pictures: dict[str, list[str]]) -> None:
    told = split(pictures, SHARES, 3)
    assert told.keys() == pictures.keys()
    assert told == split(dict(reversed(pictures.items())), SHARES, 3)


def test_a_share_of_nothing_stays_empty() -> None:
    assert set(split({str(n): ["a"] for n in range(9)}, {"train": 1.0, "val": 0.0, "test": 0.0}).values()) == {"train"}


def test_shares_sum_to_one_or_a_hundred() -> None:
    assert checked({"train": 80, "val": 20}) == {"train": 0.8, "val": 0.2, "test": 0.0}
    assert checked({"train": 0.5, "val": 0.5, "test": 0.0})["val"] == 0.5
    for wrong in ({"train": 0.5}, {"train": 50, "val": 20}, {"train": 1.5, "val": -0.5}):
        with pytest.raises(ValueError, match="sum"):
            checked(wrong)
