"""Pictures into train, val and test so that every class is spread as the shares say (contract 7.3). Pure.

Pictures with the rarest class come first; each goes where its classes are furthest behind, ties by a hash of its id:
the same pictures, shares and seed give the same result.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

SPLITS = ("train", "val", "test")
Shares = Mapping[str, float]
NO_CLASS = ""
"""Stands for the pictures without labels."""


def checked(shares: Shares) -> dict[str, float]:
    """The shares as parts of one.

    Errors: ValueError unless they sum to 1 or to 100, within 0.01.
    """
    total = sum(shares.values())
    scale = next((whole for whole in (1.0, 100.0) if abs(total - whole) <= 0.01 * whole), None)
    if scale is None or min(shares.values()) < 0:
        raise ValueError("the shares sum to 1 or to 100")
    return {split: shares.get(split, 0.0) / total for split in SPLITS}


def split(pictures: Mapping[str, Iterable[str]], shares: Shares, seed: int = 0) -> dict[str, str]:
    """The share of each picture, given the classes on it."""
    classes = {id: frozenset(found) or frozenset({NO_CLASS}) for id, found in pictures.items()}
    frequency = Counter(one for found in classes.values() for one in found)
    wanted = {(s, c): share * frequency[c] for s, share in shares.items() for c in frequency}
    told: dict[str, str] = {}
    for id in sorted(classes, key=lambda id: (min(frequency[c] for c in classes[id]), tie(id, seed))):
        open_ = [s for s, share in shares.items() if share > 0]
        best = max(open_, key=lambda s: (sum(wanted[s, c] / frequency[c] for c in classes[id]), tie(id + s, seed)))
        told[id] = best
        for one in classes[id]:
            wanted[best, one] -= 1
    return told


def tie(text: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{text}".encode()).digest()
