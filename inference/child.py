"""The process that decodes and infers: `python -m inference.child THREADS`, tasks in on stdin, results out on stdout.

A process of its own, because bad media and bad models may take it down: then the worker starts another. It knows no
server and holds no credential. Lines of JSON: `{"work": …}`, `{"stop": id}` in; `{"id": …, "done" | "failed" |
"stopped": …}` out.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

import msgspec
import orjson
import structlog

from inference.media import MediaError, Stopped
from inference.tasks import Tools, perform
from inference.work import Work

log = structlog.get_logger()


class Inbox:
    """Reads what the worker says while a task runs; the end of the input ends the process."""

    def __init__(self, source: BinaryIO) -> None:
        self.source = source
        self.works: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self.stopped: set[str] = set()

    def read(self) -> None:
        for line in self.source:
            said = orjson.loads(line)
            if "stop" in said:
                self.stopped.add(said["stop"])
            else:
                self.works.put(msgspec.convert(said["work"], Work))
        os._exit(0)  # the worker is gone: nobody waits for what is being done


def done(work: Work, tools: Tools, inbox: Inbox) -> dict[str, Any]:
    """What became of the task."""
    start = time.perf_counter()
    try:
        result = perform(work, tools, lambda: work.id in inbox.stopped)
    except Stopped:
        return {"stopped": True}
    except MediaError as bad:
        return {"failed": {"code": bad.code, "message": bad.message, "retryable": False}}
    except Exception as problem:
        log.exception("task failed", task=work.id, kind=work.kind, problem=type(problem).__name__)
        return {"failed": {"code": "internal_error", "message": "", "retryable": True}}
    return {"done": {**msgspec.to_builtins(result), "seconds": time.perf_counter() - start}}


def main() -> None:
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print must not look like an answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)  # who waits for an answer goes first
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    inbox, tools = Inbox(sys.stdin.buffer), Tools(threads=int(sys.argv[1]))
    threading.Thread(target=inbox.read, daemon=True).start()
    while True:
        work = inbox.works.get()
        out.write(orjson.dumps({"id": work.id, **done(work, tools, inbox)}) + b"\n")


if __name__ == "__main__":
    main()
