"""What credentials were found to be is kept until their owners change."""

import asyncio

from api.lookups import SECONDS, Lookups


class Table:
    """Counts how often it is asked; a question may be held up."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def look(self) -> int:
        self.asked += 1
        answer = self.asked
        await self.open.wait()
        return answer


async def test_a_question_is_asked_once() -> None:
    table, lookups = Table(), Lookups()
    assert [await lookups.ask(("key", "a"), table.look) for _ in range(3)] == [1, 1, 1]
    assert await lookups.ask(("key", "b"), table.look) == 2


async def test_asked_again_after_a_change() -> None:
    table, lookups = Table(), Lookups()
    await lookups.ask(("key", "a"), table.look)
    lookups.forget()
    assert await lookups.ask(("key", "a"), table.look) == 2


async def test_an_answer_from_before_a_change_is_not_kept() -> None:
    """A key is revoked while it is looked up: who asked before may be told so, who asks later may not."""
    table, lookups = Table(), Lookups()
    table.open.clear()
    early = asyncio.create_task(lookups.ask(("key", "a"), table.look))
    await asyncio.sleep(0)
    lookups.forget()
    table.open.set()
    assert await early == 1
    assert await lookups.ask(("key", "a"), table.look) == 2


async def test_nothing_is_kept_for_long() -> None:
    now = 0.0
    table, lookups = Table(), Lookups(clock=lambda: now)
    await lookups.ask(("key", "a"), table.look)
    now = SECONDS
    assert await lookups.ask(("key", "a"), table.look) == 2
