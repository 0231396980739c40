"""A TFLite file, or an archive with one, made into ONNX in a child process with limits. Contract nx-ai-cloud.md, 8."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from inference.check import CheckLimits, Rejected, apart, starved

SOURCE = "model.tflite"
MADE = "model.onnx"


class Unpacked(NamedTuple):
    """What stands in the folder now; `packed`: the source was an archive, `labelled`: with labels beside the model."""

    model: Path
    source: Path
    packed: bool
    labelled: bool


def unpack(path: Path, folder: Path, limits: CheckLimits) -> Unpacked | Rejected:
    """Converts into an empty folder; never raises for what the file does."""
    arguments = (str(path.resolve()), str(folder.resolve()), json.dumps(asdict(limits)))
    try:
        ended = apart("inference.importers.tflite", *arguments, seconds=limits.wall_seconds)
        answer = json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        return Rejected("time_limit", f"not done after {limits.wall_seconds:.0f} s")
    except ValueError:
        short = starved(ended.stderr.decode(errors="replace"))
        return Rejected("memory_limit", "more memory than allowed") if short else Rejected("crashed", "cannot be read")
    if "refused" in answer:
        return Rejected("not_convertible", answer["refused"])
    return Unpacked(folder / MADE, folder / SOURCE, answer["packed"], answer["labels"] > 0)
