"""Which execution provider of ONNX Runtime runs a model. Pure."""

from collections.abc import Iterable

ORDER = (
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "OpenVINOExecutionProvider",
    "CPUExecutionProvider",
)
"""Fastest first. A session gets all that are available, in this order: what one cannot run falls to the next."""


def choose(available: Iterable[str], allowed: Iterable[str] = ORDER) -> tuple[str, ...]:
    """The available providers in our order; the CPU always stands last, since every build has it."""
    have, may = set(available), set(allowed)
    chosen = tuple(name for name in ORDER if name in have and name in may)
    return chosen if ORDER[-1] in chosen else (*chosen, ORDER[-1])
