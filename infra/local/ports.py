"""Which ports the stack takes, and what it remembers about itself in `var/local.json`."""

import random
import secrets
import socket
from dataclasses import dataclass
from typing import Any

from infra.local import record
from infra.settings import LOOPBACK, Settings, merged, read_local

# Below the range from which the kernel draws ports for clients: a port of ours stays free while its part restarts.
FREE = range(20_000, 32_000)
PASSWORDS = ("superuser_password", "owner_password", "service_password", "api_password")


@dataclass(frozen=True, slots=True)
class Port:
    """One port the stack listens on, and the setting that says so."""

    part: str
    group: str
    name: str
    number: int

    @property
    def setting(self) -> str:
        return f"SIGHTLOG_{self.group}__{self.name}".upper()


class PortInUse(Exception):
    """Something else listens where a part should."""


def ports(settings: Settings) -> tuple[Port, ...]:
    local, metrics = settings.local, settings.metrics
    processes = ("streams", "projections", "inference", "deliveries", "api")
    return (
        Port("kafka", "local", "kafka", local.kafka),
        Port("kafka", "local", "kafka_controller", local.kafka_controller),
        Port("postgres", "local", "postgres", local.postgres),
        Port("clickhouse", "local", "clickhouse", local.clickhouse),
        Port("api", "api", "port", settings.api.port),
        *(Port(name, "metrics", name, getattr(metrics, name)) for name in processes),
    )


def free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, number))
        except OSError:
            return False
    return True


def check(wanted: tuple[Port, ...]) -> None:
    """Say which ports are taken, and what to change, before anything starts."""
    taken = [port for port in wanted if not free(port.number)]
    if taken:
        lines = [f"  {port.number} for {port.part}: set {port.setting} to another port" for port in taken]
        raise PortInUse("\n".join(["These ports are in use:", *lines, "or let `sightlog up --free-ports` choose."]))


def draw(taken: set[int]) -> int:
    """A port nobody listens on now."""
    for number in random.sample(FREE, len(FREE)):
        if number not in taken and free(number):
            taken.add(number)
            return number
    raise PortInUse(f"No free port from {FREE.start} to {FREE.stop}.")


def remember(settings: Settings, choose: bool) -> Settings:
    """Fill `var/local.json` (passwords once; with `choose`, ports too) and read the settings that follow from it."""
    settings.var.mkdir(parents=True, exist_ok=True)
    known = read_local(settings.var)
    drawn = {name: secrets.token_urlsafe(24) for name in PASSWORDS}
    once: dict[str, Any] = {"local": drawn, "webhooks": {"allow_loopback_http": True}}
    record.write_json(settings.var / "local.json", merged(chosen(settings) if choose else {}, merged(once, known)))
    settings = Settings(var=settings.var)
    if choose:
        record.write_json(settings.var / "local.json", merged(read_local(settings.var), chosen_anew(settings)))
        settings = Settings(var=settings.var)
    return settings


def chosen(settings: Settings) -> dict[str, Any]:
    """A free port for each, to be overruled by what is remembered."""
    return tree(ports(settings))


def chosen_anew(settings: Settings) -> dict[str, Any]:
    """Another port for each that is taken by now."""
    return tree(tuple(port for port in ports(settings) if not free(port.number)))


def tree(wanted: tuple[Port, ...]) -> dict[str, Any]:
    taken: set[int] = set()
    found: dict[str, Any] = {}
    for port in wanted:
        found.setdefault(port.group, {})[port.name] = draw(taken)
    return found
