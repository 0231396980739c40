"""One-time codes, by the vectors of RFC 6238, appendix B (their last six digits)."""

from __future__ import annotations

import base64

import pytest

from api.nx.onetime import PERIOD, code, step_of

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_codes_of_the_standard(at: int, wanted: str) -> None:
    assert code(SECRET, at // PERIOD) == wanted
    assert step_of(SECRET, f" {wanted} ", at) == at // PERIOD


def test_a_clock_may_be_one_step_off_and_no_more() -> None:
    now, present = 1_234_567_890, 1_234_567_890 // PERIOD
    found = [step_of(SECRET, code(SECRET, present + off), now) for off in (-2, -1, 0, 1, 2)]
    assert found == [None, present - 1, present, present + 1, None]


@pytest.mark.parametrize("given", ["", "000000", "5924", "0059240", "００５９２４"])
def test_what_is_no_code_of_now(given: str) -> None:
    assert step_of(SECRET, given, 1_234_567_890) is None
