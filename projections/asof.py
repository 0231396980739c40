"""As of when a lane judged. What Postgres knows changes, and a rebuild must judge by what was known then: the positions
of the tables that a batch was judged by go on the log, and a rebuild brings tables of its own to the same positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra import kafka, migrate, postgres
from infra.history import history
from infra.settings import Settings
from projections import runner
from projections.rows import Projection
from projections.runner import readable
from schemas.telemetry.messages import Judgement

SUFFIX = "__then"
"""Behind the name of a context: the schema with its tables as they were."""
FETCH_WAIT = 0.02
"""Seconds: who reads one partition after the other waits for no fetch of those that are at their end."""
Positions = Mapping[str, tuple[int, ...]]
"""The next offset of each partition, by topic of events. Those of one database are ordered: later ones have all that
earlier ones have."""


class Stretch(msgspec.Struct, frozen=True):
    """Messages of one partition, `end` not among them, that were judged by tables at `positions` (None: at today's)."""

    place: TopicPartition
    first: int
    end: int
    positions: Positions | None = None


async def positions(db: postgres.Connection, contexts: Sequence[str]) -> Positions:
    """Where the tables of these contexts stand."""
    found = {f"{context}.events": [0] * kafka.topics()[f"{context}.events"].partitions for context in contexts}
    union = " union all ".join(f"select topic, partition, next_offset from {context}.positions" for context in contexts)
    for row in await db.fetch(union) if contexts else ():
        found[row["topic"]][row["partition"]] = row["next_offset"]
    return {topic: tuple(offsets) for topic, offsets in found.items()}


class Notes:
    """Remembers for each partition what was last put on the log, so that only a change is: and once a day without one,
    since what is old leaves the log."""

    def __init__(self, today: Callable[[], Any] = lambda: datetime.now(UTC).date()) -> None:
        self.today = today
        self.last: dict[int, tuple[Any, Positions]] = {}

    def fresh(self, firsts: Mapping[int, int], positions: Positions) -> Judgement | None:
        """What is to be put on the log before a batch that begins at `firsts` (offset by partition) is written."""
        now = (self.today(), positions)
        changed = {partition: first for partition, first in firsts.items() if self.last.get(partition) != now}
        self.last |= dict.fromkeys(changed, now)
        told = {str(partition): first for partition, first in changed.items()}
        return Judgement(first=told, positions=dict(positions)) if changed else None


def stretches(
    told: Iterable[Judgement], begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> list[Stretch]:
    """The messages from `begins` to `ends` by what they were judged by, in the order in which the tables grew.

    A judgement that goes back to an earlier offset repeats what was not finished, and takes the later ones' place. What
    is older than every judgement goes with the first.
    """
    found: dict[int, list[tuple[int, Positions]]] = {}
    for each in told:
        for name, first in each.first.items():
            known = found.setdefault(int(name), [])
            while known and known[-1][0] >= first:
                known.pop()
            known.append((first, each.positions))
    parts = [part for place in ends for part in cut(place, begins[place], ends[place], found.get(place.partition, []))]
    return sorted(parts, key=lambda part: reach(part.positions))


def cut(place: TopicPartition, begin: int, end: int, told: list[tuple[int, Positions]]) -> Iterable[Stretch]:
    if not told:
        yield Stretch(place, begin, end)
    for n, (first, positions) in enumerate(told):
        start = max(first, begin) if n else begin
        stop = min(told[n + 1][0], end) if n + 1 < len(told) else end
        if start < stop:
            yield Stretch(place, start, stop, positions)


def reach(positions: Positions | None) -> float:
    return sum(map(sum, positions.values())) if positions is not None else float("inf")


async def judgements(settings: Settings) -> list[Judgement]:
    """Every judgement on the log."""
    found: list[Judgement] = []
    async for batch in history(settings, [Judgement.TOPIC]):
        if not batch:
            break
        bodies = [record.received.body for message in batch if (record := readable(message)) is not None]
        found += [body for body in bodies if isinstance(body, Judgement)]
    return found


class Past:
    """Tables of some contexts in schemas of their own, brought forward from nothing."""

    def __init__(self, settings: Settings, projections: Sequence[Projection]) -> None:
        self.settings = settings
        self.projections = {f"{projection.name}.events": projection for projection in projections}
        self.consumer = AIOKafkaConsumer(
            **kafka.connection(settings), enable_auto_commit=False, fetch_max_wait_ms=int(FETCH_WAIT * 1e3)
        )
        self.owner: postgres.Connection
        self.service: postgres.Connection

    async def open(self) -> None:
        self.owner = await postgres.connect(self.settings.postgres.owner)
        self.service = await postgres.connect(self.settings.postgres.service)
        for projection in self.projections.values():
            await migrate.beside(self.owner, projection.name, projection.name + SUFFIX)
        await self.consumer.start()
        places = [TopicPartition(t, p) for t in self.projections for p in range(kafka.topics()[t].partitions)]
        self.consumer.assign(places)
        await self.consumer.seek_to_beginning(*places)

    async def advance(self, to: Positions | None) -> None:
        """Brings the tables to these positions (None: to the end of the log); they never go back."""
        ends = await self.consumer.end_offsets(self.consumer.assignment()) if to is None else {}
        for place in self.consumer.assignment():
            await self.read(place, to[place.topic][place.partition] if to is not None else ends[place])

    async def read(self, place: TopicPartition, end: int) -> None:
        projection = self.projections[place.topic]
        while (left := end - await self.consumer.position(place)) > 0:
            found = await self.consumer.getmany(place, timeout_ms=500, max_records=min(left, 2_000))
            if batch := [record for message in found.get(place, []) if (record := readable(message)) is not None]:
                async with self.service.transaction():
                    await runner.write(self.service, projection, batch, projection.name + SUFFIX)

    async def close(self) -> None:
        await self.consumer.stop()
        for projection in self.projections.values():
            await self.owner.execute(f"drop schema {projection.name}{SUFFIX} cascade")
        await self.owner.close()
        await self.service.close()
