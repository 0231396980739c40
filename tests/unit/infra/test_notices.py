"""Who waits for a notice hears of his own command and of his own stream, and of nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from infra.commands import Awake
from infra.notices import Notices, Waiter
from infra.notify import outcome, packed, recorded
from infra.settings import Settings
from schemas.base import Envelope, asking
from streams.store import Outcome

Changes = list[set[tuple[str, str]] | None]


@pytest.fixture
def changes() -> Changes:
    return []


@pytest.fixture
def notices(changes: Changes) -> Notices:
    return Notices("", changes.append)


def asked(fingerprint: str = "") -> Envelope:
    return asking("s", organisation="o", id="c", fingerprint=fingerprint)


def decided(notices: Notices, code: Any = None, fingerprint: str = "") -> None:
    told = Outcome("c", "records", "s", 2, 1, code, None, None, fingerprint)
    for payload in packed([outcome(told)]):
        notices.on_outcomes(None, 0, "outcomes", payload)


def written(notices: Notices, version: int, organisation: str = "o", context: str = "records") -> None:
    meta = Envelope(id="e", stream="s", version=version, organisation=organisation, time=asked().time)
    for payload in packed([recorded(context, meta)]):
        notices.on_recorded(None, 0, "recorded", payload)


@pytest.fixture
async def waiter(notices: Notices) -> Any:
    with notices.waiter("records", asked()) as waiting:
        yield waiting


async def test_an_outcome_is_heard_once(notices: Notices, waiter: Waiter) -> None:
    decided(notices)
    decided(notices, "name.taken")
    assert await waiter.outcome == ["c", "records", "s", 2, 1, None, None, None]


@pytest.mark.parametrize(("given", "code"), [("x", None), ("y", "idempotency.mismatch")])
async def test_the_outcome_of_another_request_under_the_key_is_a_refusal(
    notices: Notices, given: str, code: str | None
) -> None:
    with notices.waiter("records", asked("x")) as first, notices.waiter("records", asked(given)) as second:
        decided(notices, fingerprint="x")
        assert [(await one.outcome)[5] for one in (first, second)] == [None, code]


async def test_another_s_refusal_is_nothing_to_the_first(notices: Notices) -> None:
    with notices.waiter("records", asked("x")) as first, notices.waiter("records", asked("y")) as second:
        decided(notices, "idempotency.mismatch", fingerprint="y")
        assert (first.outcome.done(), (await second.outcome)[5]) == (False, "idempotency.mismatch")
        decided(notices, fingerprint="x")
        assert (await first.outcome)[5] is None


async def test_only_the_version_of_the_own_stream_counts(notices: Notices, waiter: Waiter) -> None:
    waiting = asyncio.create_task(notices.until_recorded(waiter, 2, told=True))
    written(notices, 1)
    written(notices, 2, organisation="p")
    written(notices, 2, context="fleet")
    await asyncio.sleep(0)
    assert not waiting.done()
    written(notices, 2)
    await waiting


async def test_what_was_recorded_before_the_outcome_counts(notices: Notices, waiter: Waiter) -> None:
    written(notices, 3)
    await notices.until_recorded(waiter, 2, told=True)


async def test_nobody_is_kept_who_waits_no_more(notices: Notices, changes: Changes) -> None:
    with notices.waiter("records", asked()), notices.waiter("records", asked()):
        assert len(notices.commands["c"]) == 2
    assert (notices.commands, notices.streams) == ({}, {})
    written(notices, 1)
    assert changes == [{("records", "o")}]


async def test_news_of_one_context_wakes() -> None:
    link = Awake(Settings(), "webhooks")
    for told, woken in (({("records", "o")}, False), ({("records", "o"), ("webhooks", "o")}, True), (None, True)):
        link.news.clear()
        link.changed(told)
        assert link.news.is_set() == woken
