"""The `webhook` of a submit: checked here, its secrets sealed before they travel (contract, section 7)."""

from __future__ import annotations

import re

import orjson

from api.noxovision.problems import Problem, invalid
from api.noxovision.wire import WebhookConfig
from infra.vault import Vault
from schemas.analysis.messages import Callback
from streams.webhooks.addresses import Fault, Policy, check

RESERVED = re.compile(r"(content-.*|host|connection|transfer-encoding|user-agent|webhook-.*|x-webhook-.*)\Z", re.I)
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}\Z")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


def callback(
    config: WebhookConfig | None, policy: Policy, vault: Vault, place: str = "/webhook/url"
) -> Callback | None:
    """What the job carries; `place` is where the URL stood.

    Errors: Problem 422 `invalid_webhook_url`, `invalid_webhook_header`.
    """
    if config is None:
        return None
    target = check(config.url, policy)
    if isinstance(target, Fault):
        raise invalid(place, "invalid_webhook_url", f"the webhook URL {target.detail}")
    for name, value in config.headers.items():
        if (fault := header_fault(name, value)) is not None:
            raise fault
    return Callback(
        url=target.url,
        secret=vault.seal(config.secret) if config.secret else None,
        payload=config.payload,
        headers=vault.seal(orjson.dumps(config.headers).decode()) if config.headers else None,
    )


def header_fault(name: str, value: str, root: str = "/webhook/headers/") -> Problem | None:
    place = root + name.replace("~", "~0").replace("/", "~1")
    if not NAME.match(name) or not VALUE.match(value):
        return invalid(place, "invalid_webhook_header", "not a header field")
    if RESERVED.match(name):
        return invalid(place, "invalid_webhook_header", "this header is reserved")
    return None
