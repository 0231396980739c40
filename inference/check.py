"""Is this file a model we may run? Asked in a child process with limits, so that a bad file harms nobody.

`check_model` starts the child; `python -m inference.check` is the child. Rules: nx-ai-cloud.md, section 10.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

RejectedCode = Literal[
    "model_too_large",
    "not_onnx",
    "not_convertible",
    "opset_unsupported",
    "external_data",
    "too_many_nodes",
    "custom_operators",
    "bad_input",
    "bad_output",
    "bad_labels",
    "bad_normalisation",
    "unknown_chip",
    "warm_up_failed",
    "memory_limit",
    "time_limit",
    "crashed",
]
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """What the file and the child may use. `static_inputs`: Nx feeds fixed shapes only; others may allow free ones.
    `run`: False reads the file and does not try it."""

    file_bytes: int = 500 * 1024**2
    memory: int = 4 * 1024**3
    """Bytes of address space."""
    cpu_seconds: int = 120
    wall_seconds: float = 180.0
    nodes: int = 50_000
    oldest_opset: int = 7
    newest_opset: int = 17
    newest_ir: int = 9
    static_inputs: bool = True
    run: bool = True
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Checked:
    """A model that ran once. Inputs and outputs are {name, dtype, shape}; `head` and `family` None: not understood."""

    digest: str
    size: int
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    opset: int
    ir_version: int
    producer: str
    nodes: int
    labels: list[str]
    chip: str | None
    means: list[float] | None
    vars: list[float] | None
    metadata: dict[str, str]
    head: str | None
    family: str | None
    warm_up_seconds: float | None
    """None for a model compiled for a chip: it cannot run here."""
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Rejected:
    code: RejectedCode
    message: str


_USUAL = CheckLimits()


def check_model(path: Path, limits: CheckLimits = _USUAL) -> Checked | Rejected:
    """Checks the file in a child process; never raises for what the file does."""
    size = path.stat().st_size
    if size > limits.file_bytes:
        return Rejected("model_too_large", f"{size} bytes, the limit is {limits.file_bytes}")
    try:
        ended = apart("inference.check", str(path.resolve()), json.dumps(asdict(limits)), seconds=limits.wall_seconds)
    except subprocess.TimeoutExpired:
        return Rejected("time_limit", f"not done after {limits.wall_seconds:.0f} s")
    return verdict(ended.returncode, ended.stdout, ended.stderr)


def apart(module: str, *arguments: str, seconds: float) -> subprocess.CompletedProcess[bytes]:
    """Runs a module in a process of its own, with nothing of our environment and an empty folder."""
    with tempfile.TemporaryDirectory(prefix="sightlog-check-") as folder:
        environment = {"PATH": os.defpath, "PYTHONPATH": str(_ROOT), "HOME": folder, "TMPDIR": folder}
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=seconds, check=False)


def verdict(status: int, answer: bytes, complaint: bytes) -> Checked | Rejected:
    """What the child's end means. Pure."""
    try:
        read = json.loads(answer)
    except ValueError:
        return _without_answer(status, complaint)
    return Rejected(**read["rejected"]) if "rejected" in read else Checked(**read["checked"])


def _without_answer(status: int, complaint: bytes) -> Rejected:
    if status in (-24, -9):  # SIGXCPU, and SIGKILL at the hard limit
        return Rejected("time_limit", "more processor time than allowed")
    if starved(complaint.decode(errors="replace")):
        return Rejected("memory_limit", "more memory than allowed")
    return Rejected("crashed", f"the checking process ended with status {status}")


def starved(complaint: str) -> bool:
    """True when the words are those of a process that ran into its memory limit. Pure."""
    words = ("memoryerror", "bad_alloc", "allocate", "failed to map segment", "pthread_create", "resource temporarily")
    return any(word in complaint.lower() for word in words)


def restrict(limits: CheckLimits, written: int = 0) -> None:
    """Binds this process: memory, processor time, size of a file it writes, no core dump."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """The child: one JSON object on standard output."""
    path, limits = Path(sys.argv[1]), CheckLimits(**json.loads(sys.argv[2]))
    restrict(limits)
    from inference.inspection import Refused, inspect  # loaded under the limits

    try:
        answer = {"checked": asdict(inspect(path, limits))}
    except Refused as refused:
        answer = {"rejected": {"code": refused.code, "message": refused.message}}
    except MemoryError:
        answer = {"rejected": {"code": "memory_limit", "message": "more memory than allowed"}}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # the runtime's own clean-up may crash after a bad model


if __name__ == "__main__":
    main()
