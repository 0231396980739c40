"""Where a job's objects lie: everything under one prefix, so that erasing is one list. Pure."""

from __future__ import annotations


def folder(organisation: str, job: str) -> str:
    return f"analysis/{organisation}/{job}"


def media(organisation: str, job: str, upload: str) -> str:
    """What the caller sent; each upload has its own, so that a repeat never touches what is being read."""
    return f"{folder(organisation, job)}/media/{upload}"


def item(organisation: str, job: str, upload: str, index: int) -> str:
    return f"{folder(organisation, job)}/media/{upload}-{index}"


def findings(organisation: str, job: str, task: str, lease: str) -> str:
    """What a task found, under the lease that it was found with: a late writer overwrites nothing."""
    return f"{folder(organisation, job)}/found/{task}-{lease}.json"


def result(organisation: str, job: str, lease: str) -> str:
    """The bytes of `result` or `items`."""
    return f"{folder(organisation, job)}/result/{lease}.json"


def passing(organisation: str, job: str) -> tuple[str, str]:
    """What is erased as soon as the job has ended."""
    return f"{folder(organisation, job)}/media", f"{folder(organisation, job)}/found"
