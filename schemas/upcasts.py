"""Old version -> next, one pure function a step: `UPCASTS["context.Name", old number]`.

A field added with a default needs no upcast; a changed meaning is a new message. What stands here is for the rare case
between: a field split or renamed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

UPCASTS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
