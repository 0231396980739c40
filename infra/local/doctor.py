"""What is missing or unwell on this machine, in words a person can act on."""

import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from infra.local import kafka, postgres, record, stack, supervisor
from infra.local.ports import free
from infra.settings import Settings

DISK = 2 << 30
MEMORY = 2 << 30
FILES = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    well: bool
    words: str


def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which one would mend them; a check that fails itself is a finding too."""
    return [finding for check in CHECKS for finding in safely(check, settings)]


def safely(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    try:
        return list(check(settings))
    except (OSError, RuntimeError, ImportError, psutil.Error) as error:
        return [Finding(check.__name__.replace("_", " "), False, str(error))]


def python(_: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    well = sys.version_info >= (3, 11)
    yield Finding("python", well, version if well else f"{version} is too old; Sightlog needs 3.11 or later")


def room(settings: Settings) -> Iterator[Finding]:
    memory = psutil.virtual_memory().available
    yield Finding("memory", memory > MEMORY, f"{memory / 2**30:.1f} GiB available{less(memory, MEMORY)}")
    if problem := stack.unusable(settings):
        yield Finding("var", False, problem)
        return
    disk = shutil.disk_usage(settings.var).free
    yield Finding("disk", disk > DISK, f"{disk / 2**30:.1f} GiB free for {settings.var}{less(disk, DISK)}")
    yield Finding("var", True, f"{settings.var} is writable")


def less(found: int, wanted: int) -> str:
    return "" if found > wanted else f"; the stack wants {wanted >> 30} GiB"


def limits(_: Settings) -> Iterator[Finding]:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    hint = "" if files >= FILES else f"; raise it with `ulimit -n {FILES * 4}`"
    yield Finding("open files", files >= FILES, f"a process may open {files}{hint}")


def jars(_: Settings) -> Iterator[Finding]:
    if missing := kafka.missing_jars():
        yield Finding("kafka", False, f"{len(missing)} jars are missing; `make setup` fetches them")
        return
    altered = kafka.altered_jars()
    words = "; ".join(altered) + "; delete those files, then `make setup`" if altered else "jars are those of the lock"
    yield Finding("kafka", not altered, words)


def postgres_user(_: Settings) -> Iterator[Finding]:
    how = postgres.disguise()
    yield Finding("postgres", True, f"runs through {how[0]}, since it does not run as you" if how else "runs as you")


def parts(settings: Settings) -> Iterator[Finding]:
    if supervisor.running(settings) is None:
        yield Finding("stack", True, "is down; `sightlog up` starts it")
        yield from taken(settings)
        return
    for part in stack.status(settings):
        words = f"{part.state}, pid {part.pid}" if part.ready else f"{part.state}, not ready: {part.why}"
        yield Finding(part.name, part.ready, words)
    known = record.read(settings.var).get("processes", {})
    same = known == stack.living_pids(settings)
    yield Finding("stack.json", same, "holds the living pids" if same else "does not hold the living pids")


def taken(settings: Settings) -> Iterator[Finding]:
    for port in stack.needed_ports(settings):
        if not free(port.number):
            words = f"{port.number} is in use; set {port.setting} to another, or `sightlog up --free-ports`"
            yield Finding(f"port of {port.part}", False, words)


CHECKS = (python, room, limits, jars, postgres_user, parts)
