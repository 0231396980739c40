"""The stack up, down, and how it is: what stands behind `sightlog up`, `down` and `status`."""

import asyncio
import importlib
import inspect
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault

import psutil

from infra.local import kafka as broker
from infra.local import keys, postgres, record, supervisor
from infra.local.listener import Supervisor, living, note
from infra.local.parts import PARTS, PROCESSES, SERVERS, Part
from infra.local.ports import Port, check, ports, remember
from infra.local.why import why
from infra.settings import Settings

Say = Callable[[str], None]
PATIENCE = 120.0


class NotReady(Exception):
    """A part did not come up; the message says which, and shows its last words."""


@dataclass(frozen=True, slots=True)
class State:
    name: str
    state: str
    pid: int
    seconds: int
    ready: bool
    why: str = ""
    """Why it is not ready."""


def up(settings: Settings, say: Say, free_ports: bool = False, servers: bool = False) -> record.Record:
    """Start what does not run, wait until all of it is ready, write `var/stack.json`."""
    running = supervisor.running(settings)
    if running is None:
        if problem := unusable(settings):
            raise NotReady(problem)
        end_leftovers(settings)
        settings = remember(settings, free_ports)
        check(needed_ports(settings))
        keys.make(settings)
        running = supervisor.start(settings, PARTS)
    os.environ["SIGHTLOG_VAR"] = str(settings.var)
    record.change(settings.var, lambda known: described(settings, known))
    prepare_servers(settings, say)
    launch(running, wanted(SERVERS, settings), settings, say)
    if postgres_is_ours(settings):
        asyncio.run(postgres.make_roles(settings))
    call("infra.migrate", "migrate", settings, say=say)
    call("infra.kafka", "create_topics", settings, say=say)
    if servers:
        return record.read(settings.var)
    launch(running, wanted(PROCESSES, settings), settings, say)
    organisations = call("infra.seed", "seed", settings, say=say) or {}
    note(settings.var, running)
    return record.change(settings.var, lambda known: {**known, "organisations": organisations})


def unusable(settings: Settings) -> str | None:
    """Why nothing can be stored under `var`, which is made where it is not there."""
    try:
        settings.var.mkdir(parents=True, exist_ok=True)
        why = None if os.access(settings.var, os.W_OK | os.X_OK) else "you may not write there"
    except OSError as problem:
        why = problem.strerror
    return why and f"{settings.var} cannot be used: {why}; set SIGHTLOG_VAR to a directory of yours"


def down(settings: Settings, say: Say) -> bool:
    """Stop every part in order; what they stored stays."""
    say("stopping the stack")
    if supervisor.daemon(settings) is None:
        end_leftovers(settings)
    return supervisor.stop(settings)


def status(settings: Settings) -> list[State]:
    """Every part that should run here, and how it is."""
    running = supervisor.running(settings)
    known = {} if running is None else {found["name"]: found for found in running.getAllProcessInfo()}
    return [state(part, known.get(part.name, {}), settings) for part in wanted(PARTS, settings)]


def state(part: Part, found: dict[str, Any], settings: Settings) -> State:
    pid, name = found.get("pid", 0), found.get("statename", "STOPPED").lower()
    seconds = found["now"] - found["start"] if pid else 0
    ready = bool(pid) and part.ready(settings)
    return State(part.name, name, pid, seconds, ready, "" if ready else why(part, name, pid, settings))


def wanted(parts: Iterable[Part], settings: Settings) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.wanted(settings))


def needed_ports(settings: Settings) -> tuple[Port, ...]:
    names = {part.name for part in wanted(PARTS, settings)}
    return tuple(port for port in ports(settings) if port.part in names)


def postgres_is_ours(settings: Settings) -> bool:
    return "postgres" in {part.name for part in wanted(SERVERS, settings)}


def described(settings: Settings, known: record.Record) -> record.Record:
    """The addresses; what is already known of processes and organisations stays."""
    return {
        "api": settings.api.public_url,
        "kafka": settings.kafka.bootstrap,
        "postgres": settings.postgres.owner,
        "clickhouse": settings.clickhouse.url,
        "processes": known.get("processes", {}),
        "organisations": known.get("organisations", {}),
    }


def prepare_servers(settings: Settings, say: Say) -> None:
    names = {part.name for part in wanted(SERVERS, settings)}
    if "kafka" in names:
        fetch_kafka(say)
        broker.prepare(settings)
    if "postgres" in names:
        postgres.prepare(settings)


def fetch_kafka(say: Say) -> None:
    """Jars by the lock, and not one that differs from it."""
    if missing := broker.missing_jars():
        try:
            broker.fetch_jars(say)
        except OSError as problem:
            words = f"{len(missing)} of Kafka's jars cannot be fetched; `make setup` does it where there is a network"
            raise NotReady(f"{words}: {problem}") from problem
    if altered := broker.altered_jars():
        raise NotReady("Kafka's jars differ from infra/local/kafka.lock.toml:\n  " + "\n  ".join(altered))


def launch(running: Supervisor, parts: tuple[Part, ...], settings: Settings, say: Say) -> None:
    """Start these at once and wait for each, telling how long it took."""
    for part in parts:
        try:
            running.startProcess(part.name, False)
        except Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise
    await_ready(list(parts), settings, say)
    note(settings.var, running)


def await_ready(waiting: list[Part], settings: Settings, say: Say) -> None:
    began = told = time.monotonic()
    while waiting:
        for part in [part for part in waiting if part.ready(settings)]:
            waiting.remove(part)
            say(f"{part.name} ready after {time.monotonic() - began:.1f} s")
        now = time.monotonic()
        if waiting and now - began > PATIENCE:
            raise NotReady("\n".join(last_words(part.name, settings) for part in waiting))
        if waiting and now - told > 5:
            told = now
            say(f"waiting for {', '.join(part.name for part in waiting)} ({now - began:.0f} s)")
        time.sleep(0.1 if waiting else 0)


def last_words(name: str, settings: Settings) -> str:
    file = settings.var / "logs" / f"{name}.log"
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[-15:] if file.is_file() else []
    return "\n  ".join([f"{name} is not ready after {PATIENCE:.0f} s; the end of {file}:", *lines])


def call(module: str, name: str, *args: object, say: Say | None = None) -> Any:
    """Another folder's step, imported only now: the stack must come up while one of them is broken."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise
        return None
    began = time.monotonic()
    result = getattr(found, name)(*args)
    answer = asyncio.run(result) if inspect.iscoroutine(result) else result
    if say:
        say(f"{name.replace('_', ' ')} done after {time.monotonic() - began:.1f} s")
    return answer


def end_leftovers(settings: Settings) -> None:
    """Parts whose supervisord was killed go on alone; they are ours if they carry our var directory."""
    mine = [p for p in map(process_of, record.read(settings.var).get("processes", {}).values()) if p is not None]
    ours = [process for process in mine if carries(process, settings)]
    for process in ours:
        process.terminate()
    _, stubborn = psutil.wait_procs(ours, timeout=15)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=5)


def process_of(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def carries(process: psutil.Process, settings: Settings) -> bool:
    try:
        return bool(process.environ().get("SIGHTLOG_VAR") == str(settings.var))
    except psutil.Error:
        return False


def living_pids(settings: Settings) -> dict[str, int]:
    """By supervisord's word, to hold against what `stack.json` says."""
    running = supervisor.running(settings)
    return {} if running is None else living(running)
