"""Failures of a command that are told in words: wrong names, servers that are away."""

from __future__ import annotations

from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, RequestTimedOutError
from clickhouse_connect.driver.exceptions import OperationalError

from infra import postgres


class Unknown(ValueError):
    """There is nothing of this name; the message says what there is."""


AWAY: dict[str, tuple[type[BaseException], ...]] = {
    "kafka": (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError),
    "clickhouse": (OperationalError,),
    "postgres": postgres.AWAY,
}


def words(problem: BaseException) -> str | None:
    """What to say of it; None for what a traceback tells better."""
    if isinstance(problem, Unknown):
        return str(problem)
    if isinstance(problem, OSError) and problem.filename is not None:
        return f"{problem.filename}: {problem.strerror}; `sightlog doctor` says what is missing."
    server = next((server for server, kinds in AWAY.items() if isinstance(problem, kinds)), None)
    return server and f"{server} does not answer ({problem}); `sightlog status` shows what runs."
