"""The `deliveries` process: `python -m streams.webhooks.deliver`. Due messages become signed POSTs, and those reports.

Nothing is remembered here that a restart would miss: what to send stands in the projection's rows, what is on its way
in `streams.sending`. A try is reported to the log first and marked as reported then: a crash repeats it at most once.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiokafka.errors import KafkaError
from mode import Service
from obstore.exceptions import BaseError

from infra import kafka, postgres, settings, telemetry, vault, worker
from infra.commands import Awake
from infra.objects import Objects
from streams.webhooks import plan, queue, report, retention
from streams.webhooks.addresses import Fault, Policy, check
from streams.webhooks.bodies import Bodies
from streams.webhooks.measures import ATTEMPTS, FIRST, IN_FLIGHT, measure
from streams.webhooks.report import Report
from streams.webhooks.sender import Answer, Sender, client_context

log = structlog.get_logger()
AGENT = "Sightlog-Webhooks/0.1"
CAPACITY, SHARE = 1000, 500
"""Tries on their way in one process, and of one organisation in all."""
SLOTS = 10
"""At once for the receiver of a callback."""
LOOK = 1.0
"""Seconds after which is looked anyway: a notice may be lost, and retries come due in silence."""
GATHER, MOST = 0.005, 500
SWEEP = 30.0
EXPIRE = 600.0
WARN_AT = 4
AWAY_PAUSE = 1.0
DRAIN = 5.0


class Deliveries(Service):
    """Claims, sends, reports."""

    def __init__(self, config: settings.Settings) -> None:
        super().__init__()
        self.config = config
        self.life = config.process
        self.link = Awake(config, "webhooks", size=6)
        self.vault = vault.open_vault(config)
        self.bodies = Bodies(Objects(config))
        self.policy = policy(config)
        self.reports: asyncio.Queue[Report] = asyncio.Queue()
        self.flying: set[asyncio.Task[None]] = set()
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.sender: Sender

    async def on_start(self) -> None:
        self.sender = Sender(AGENT)
        await telemetry.serve_metrics(self.config, "deliveries", self.link.parts)
        await self.link.start()
        await self.in_store(lambda db: queue.freed(db, self.life))

    async def on_stop(self) -> None:
        """What is on its way may end and be reported; what cannot is repeated by the next life."""
        if self.flying:
            await asyncio.wait(self.flying, timeout=DRAIN)
        while not self.reports.empty():
            await self.flush(taken(self.reports))
        await self.sender.close()
        await self.link.stop()

    async def in_store(self, work: Any) -> Any:
        async def once() -> Any:
            async with self.link.pool.acquire() as db, db.transaction():
                return await work(db)

        return await worker.patiently(once, postgres.AWAY, "postgres")

    @Service.task
    async def claim(self) -> None:
        """Takes as much as there is room for; looks again when something was recorded or a try has ended."""
        while not self.should_stop:
            self.link.news.clear()
            room = CAPACITY - len(self.flying)
            rows = (
                await self.in_store(lambda db, room=room: queue.claim(db, self.life, room, SLOTS, SHARE))
                if room
                else []
            )
            for row, start in await self.placed(rows):
                self.fly(self.deliver(row, start))
            if not room or len(rows) < room:
                await self.wait_for_news()

    async def wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(LOOK):
                await self.link.news.wait()
        except TimeoutError:
            pass

    async def placed(self, rows: list[Any]) -> list[tuple[Any, float]]:
        """Each row with its start on the clock: at once, or in the pace of its endpoint."""
        counts = Counter(row["receiver"] for row in rows if row["throttle_per_second"])
        ends = {}
        for row in rows:
            if row["receiver"] in counts and row["receiver"] not in ends:
                ends[row["receiver"]] = await self.in_store(
                    lambda db, row=row: queue.paced(
                        db, row["receiver"], row["organisation"], counts[row["receiver"]], row["throttle_per_second"]
                    )
                )
        found = []
        for row in rows:
            wait = 0.0
            if row["receiver"] in ends:
                left = counts[row["receiver"]] / row["throttle_per_second"]
                wait = max(0.0, (ends[row["receiver"]] - datetime.now(UTC)).total_seconds() - left)
                counts[row["receiver"]] -= 1
            found.append((row, wait))
        return found

    def fly(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.flying.add(task)
        IN_FLIGHT.set(len(self.flying))
        task.add_done_callback(self.landed)

    def landed(self, task: asyncio.Task[None]) -> None:
        if len(self.flying) == CAPACITY:
            self.link.news.set()
        self.flying.discard(task)
        IN_FLIGHT.set(len(self.flying))
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("try not made", problem=type(problem).__name__)

    async def deliver(self, row: Any, wait: float) -> None:
        """One try of one message."""
        if wait:
            await asyncio.sleep(wait)
        trigger = "test" if row["event_type"] == "webhook.test" else row["trigger"]
        with telemetry.span("deliver", {"traceparent": row["traceparent"]}):
            await self.told(row, trigger)

    async def told(self, row: Any, trigger: str) -> None:
        """Its body is fetched and sent, and what came of it stands in line to be reported."""
        async with self.bodies.room(plan.size_of(row["body"])):
            try:
                body = await self.bodies.of(row["body"], self.config.api.public_url.rstrip("/"))
            except FileNotFoundError:
                self.reports.put_nowait(Report(row, trigger, None, trace=telemetry.trace_headers()))
                return
            except BaseError as problem:
                log.warning("object store away", problem=type(problem).__name__)
                await asyncio.sleep(AWAY_PAUSE)
                await self.in_store(lambda db: queue.released(db, row["id"], row["number"]))
                return
            self.reports.put_nowait(await self.tried(row, trigger, body))

    async def tried(self, row: Any, trigger: str, body: bytes) -> Report:
        headers: dict[str, str] = {}
        trace = telemetry.trace_headers()
        seconds = self.config.webhooks.timeout_seconds
        try:
            ready = plan.plan(row, body, self.vault, seconds=seconds, legacy_form=self.config.webhooks.signature_form)
            target = check(ready.url, self.policy)
            if isinstance(target, Fault):
                answer = unsent("blocked_address")
            else:
                headers = plan.stamped(ready, row["id"], int(time.time())) | trace
                answer = await self.sender.post(
                    target, body, headers, seconds=ready.seconds, tls=self.client_tls(row["mtls"])
                )
        except vault.Unsealable:
            log.error("secret cannot be opened", message=row["id"])
            answer = unsent("aborted")
        except ssl.SSLError:
            answer = unsent("tls_error")
        self.note(row, answer)
        return Report(row, trigger, answer, headers, len(body), plan.digest(body), trace)

    def client_tls(self, sealed: str | None) -> ssl.SSLContext | None:
        if sealed is None:
            return None
        if sealed not in self.contexts:
            self.contexts[sealed] = client_context(self.vault.open(sealed))
        return self.contexts[sealed]

    def note(self, row: Any, answer: Answer) -> None:
        ATTEMPTS.labels(answer.outcome).inc()
        if row["number"] == 1:
            FIRST.observe(max(0.0, (answer.started_at - row["created_at"]).total_seconds()))
        if row["number"] == WARN_AT and answer.outcome != "success":
            log.warning(
                "message still undelivered", message=row["id"], receiver=row["receiver"], outcome=answer.outcome
            )

    @Service.task
    async def tell(self) -> None:
        """Reports in sets; each set is on the log before the next is gathered."""
        while not self.should_stop:
            try:
                async with asyncio.timeout(LOOK):
                    first = await self.reports.get()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER)
            await self.flush([first, *taken(self.reports)])

    async def flush(self, reports: list[Report]) -> None:
        ends = await self.in_store(lambda db: report.count(db, reports))
        await self.send([*report.wires(reports), *ends])
        made, unmade = [r.hold for r in reports if r.answer], [r.hold for r in reports if not r.answer]
        await self.in_store(lambda db: queue.reported(db, made))
        if unmade:
            await self.in_store(lambda db: queue.unmade(db, unmade))
        self.link.news.set()

    async def send(self, wires: list[report.Wire]) -> None:
        """On the log, however long Kafka is away."""

        async def once() -> None:
            if self.link.producer is None:
                raise ConnectionError("kafka")
            await kafka.send_all(self.link.producer, wires)

        await worker.patiently(once, (KafkaError, ConnectionError), "kafka")

    @Service.task
    async def sweep(self) -> None:
        """Messages of endpoints that are gone end; holds that are over are forgotten; the queue is measured."""
        while not self.should_stop:
            rows = await self.in_store(lambda db: queue.stranded(db, MOST))
            if rows:
                await self.send([report.stranded(row) for row in rows])
            await self.in_store(queue.forget)
            await self.in_store(measure)
            await self.sleep(SWEEP if len(rows) < MOST else 1.0)

    @Service.task
    async def expire(self) -> None:
        """What has been kept for its time goes, in portions that hold nobody up."""
        while not self.should_stop:
            more = await self.in_store(lambda db: retention.expire(db, MOST))
            await self.sleep(1.0 if more else EXPIRE)


def taken(reports: asyncio.Queue[Report]) -> list[Report]:
    return [reports.get_nowait() for _ in range(min(reports.qsize(), MOST))]


def unsent(outcome: Any) -> Answer:
    now = datetime.now(UTC)
    return Answer(started_at=now, ended_at=now, outcome=outcome)


def policy(config: settings.Settings) -> Policy:
    """The operator's choices, for the door that takes URLs and for the sender."""
    own = urlsplit(config.api.public_url).hostname or ""
    return Policy(
        ports=frozenset(config.webhooks.ports), loopback=config.webhooks.allow_loopback_http, own_names=frozenset({own})
    )


def build(config: settings.Settings) -> worker.App:
    """A worker that consumes nothing: it wakes on notices, and all its state is in rows."""
    app = worker.app(config, "deliveries")
    app.producer_only = True
    app.alongside(Deliveries(config))
    return app


if __name__ == "__main__":
    loaded = settings.load()
    worker.run(build(loaded), loaded, "deliveries")
