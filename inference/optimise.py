"""The validated, simplified form of a model: constants folded, dead nodes gone, standard operators only.

`optimised` starts the child; `python -m inference.optimise` is the child, since it loads a file of others.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from inference.check import Checked, CheckLimits, apart, check_model, restrict

_GROWTH = 2
"""Folded constants may make a file larger, within reason."""


def optimised(source: Path, target: Path, before: Checked, limits: CheckLimits) -> bool:
    """Writes the simplified model to `target`; False when there is none that says of itself what the original does."""
    arguments = (str(source.resolve()), str(target.resolve()), json.dumps(asdict(limits)))
    try:
        ended = apart("inference.optimise", *arguments, seconds=limits.wall_seconds)
    except subprocess.TimeoutExpired:
        return False
    if ended.returncode != 0 or not target.exists():
        return False
    after = check_model(target, limits)
    return isinstance(after, Checked) and said(after) == said(before)


def said(checked: Checked) -> tuple[object, ...]:
    """What must not change. Pure."""
    return checked.inputs, checked.outputs, checked.labels, checked.means, checked.vars, checked.head


def main() -> None:
    """The child: the file named second is written."""
    source, target, limits = sys.argv[1], sys.argv[2], CheckLimits(**json.loads(sys.argv[3]))
    restrict(limits, written=_GROWTH * Path(source).stat().st_size + (1 << 20))
    import onnxruntime as ort  # loaded under the limits

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = target
    options.intra_op_num_threads = limits.threads
    ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
