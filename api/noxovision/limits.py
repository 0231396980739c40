"""How often a key may submit (RateLimit fields, IETF working copy of September 2025)."""

from __future__ import annotations

import time

from api.noxovision.problems import Problem

WINDOW = 60
"""Seconds."""


class Limits:
    """Submits counted in fixed windows, for each key, in this process."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self.window = 0
        self.used: dict[str, int] = {}

    def take(self, key: str) -> dict[str, str]:
        """Counts one submit; the headers of its answer.

        Errors: Problem 429 when the quota is used up.
        """
        now = time.time()
        if (window := int(now // WINDOW)) != self.window:
            self.window, self.used = window, {}
        used = self.used.get(key, 0) + 1
        left = int(WINDOW - now % WINDOW) + 1
        headers = {
            "RateLimit-Policy": f'"submit";q={self.quota};w={WINDOW}',
            "RateLimit": f'"submit";r={max(self.quota - used, 0)};t={left}',
        }
        if used > self.quota:
            detail = f"{self.quota} submits a minute"
            raise Problem(429, "quota_exceeded", detail, headers={**headers, "Retry-After": str(left)})
        self.used[key] = used
        return headers
