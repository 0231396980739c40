"""`var/stack.json`: what runs where. Two write it, `up` and the listener, so each change is one locked step.

Only the standard library here: the listener stays small for as long as the stack is up.
"""

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read(var: Path) -> Record:
    """What was last written; empty where nothing has run yet."""
    file = var / "stack.json"
    found: Record = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def change(var: Path, step: Callable[[Record], Record]) -> Record:
    """Read, change and replace the file while nobody else does; readers never see half of it."""
    with (var / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return write_json(var / "stack.json", step(read(var)))


def write_json(file: Path, content: Record) -> Record:
    """Replace a file that may hold secrets: readable by its owner, whole at every moment."""
    half = file.with_name(file.name + ".new")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(content, out, indent=2)
        out.write("\n")
    half.replace(file)
    return content
