"""Runs under supervisord for as long as the stack is up: keeps the living pids in `var/stack.json`.

A part that failed a few times in a row is given up by supervisord; here it is tried again, so a part that waits for
another comes back by itself, at most ten seconds after it could.
"""

import sys
from pathlib import Path
from typing import Any, Protocol
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from infra.local import record

NAME = "listener"
GONE = ("PROCESS_STATE_STOPPED", "PROCESS_STATE_EXITED")
ALIVE = ("STARTING", "RUNNING", "STOPPING")


class Supervisor(Protocol):
    """The calls used here; xmlrpc makes them up as it goes."""

    def getAllProcessInfo(self) -> list[dict[str, Any]]: ...  # noqa: N802

    def startProcess(self, name: str, wait: bool) -> bool: ...  # noqa: N802
    def stopProcess(self, name: str, wait: bool) -> bool: ...  # noqa: N802

    def shutdown(self) -> bool: ...

    def getState(self) -> dict[str, Any]: ...  # noqa: N802


def connect(socket: str) -> Supervisor:
    """The supervisord behind this socket."""
    server = ServerProxy("http://local", transport=SupervisorTransport(None, None, f"unix://{socket}"))
    supervisor: Supervisor = server.supervisor  # type: ignore[assignment]
    return supervisor


def living(supervisor: Supervisor) -> dict[str, int]:
    """Every part with a process, by name."""
    found = supervisor.getAllProcessInfo()
    return {p["name"]: p["pid"] for p in found if p["pid"] and p["statename"] in ALIVE and p["name"] != NAME}


def note(var: Path, supervisor: Supervisor) -> None:
    """Write down what lives now; asked anew each time, so an event that came late does no harm."""
    record.change(var, lambda known: {**known, "processes": living(supervisor)})


def without(known: record.Record, name: str) -> record.Record:
    return {**known, "processes": {n: pid for n, pid in known.get("processes", {}).items() if n != name}}


def handle(header: dict[str, str], payload: dict[str, str], var: Path, supervisor: Supervisor) -> None:
    """On its way out supervisord answers no questions; then the event alone has to do."""
    try:
        note(var, supervisor)
    except Fault:
        if header["eventname"] in GONE:
            record.change(var, lambda known: without(known, payload["processname"]))
        return
    if header["eventname"] == "PROCESS_STATE_FATAL":
        supervisor.startProcess(payload["processname"], False)


def pairs(line: str) -> dict[str, str]:
    return dict(word.split(":", 1) for word in line.split())


def main() -> None:
    """supervisord's own protocol: READY, a header line, a payload, RESULT; again and again."""
    var, supervisor = Path(sys.argv[1]), connect(sys.argv[2])
    while True:
        print("READY", flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        header = pairs(line)
        payload = pairs(sys.stdin.read(int(header["len"])))
        try:
            handle(header, payload, var, supervisor)
        except (OSError, Fault) as error:
            print(f"could not note {header['eventname']}: {error}", file=sys.stderr, flush=True)
        print("RESULT 2\nOK", end="", flush=True)


if __name__ == "__main__":
    main()
