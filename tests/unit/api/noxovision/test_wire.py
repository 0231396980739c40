"""What is read from requests, without a server."""

from __future__ import annotations

import base64
from typing import cast, get_args

import pytest
from cryptography.fernet import Fernet
from starlette.requests import Request

from api.gateway import Gateway
from api.noxovision import callbacks, door, images, limits, problems, results, status
from api.noxovision.wire import WebhookConfig
from infra.vault import Vault
from schemas.refusals import Code
from streams.webhooks.addresses import Policy

VAULT = Vault([Fernet.generate_key().decode()])


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


def test_every_refusal_is_answered() -> None:
    assert set(problems.STATUS) == set(get_args(Code))
    assert set(problems.STATUS.values()) <= set(problems.TITLES)


@pytest.mark.parametrize("text", ["AAEC", "AA\nEC\r\n", "AAE=", "AAE", "", "+/+/"])
def test_base64_that_is_forgiven(text: str) -> None:
    plain = text.replace("\n", "").replace("\r", "").rstrip("=")
    assert images.decoded(text) == base64.b64decode(plain + "=" * (-len(plain) % 4))


@pytest.mark.parametrize("text", ["data:image/png;base64,AAEC", "A A", "AAAAA", "-_-_", "AA=A", "é"])
def test_base64_that_is_not(text: str) -> None:
    with pytest.raises(images.BadItem, match="invalid_base64"):
        images.decoded(text)


def test_an_image_that_is_too_large_is_not_decoded() -> None:
    with pytest.raises(images.BadItem, match="item_too_large"):
        images.decoded("A" * (images.ITEM_LIMIT * 4 // 3 + 8))


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("007", 7), ("2147483647", 2**31 - 1)])
def test_ceilings(text: str, seconds: int) -> None:
    assert door.max_processing_time(request(max_processing_time=text)) == seconds
    assert door.max_processing_time(request()) == 3600


@pytest.mark.parametrize("text", ["", "1.5", "-1", "2147483648", "9" * 30, "one", "٣"])
def test_ceilings_that_are_none(text: str) -> None:
    with pytest.raises(problems.Problem) as problem:
        door.max_processing_time(request(max_processing_time=text))
    assert (problem.value.status, problem.value.code) == (400, "invalid_header")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("wait=5", 5),
        ("respond-async, wait=600", 60),
        ("WAIT = 7", 7),
        ('wait="8"; why=not', 8),
        ("respond-async", None),
        ("waiting=x, handling=lenient", None),
        ("", None),
    ],
)
def test_prefer(text: str, seconds: int | None) -> None:
    assert results.wait_of(request(prefer=text)) == seconds


@pytest.mark.parametrize(
    ("said", "same"), [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False)]
)
def test_if_none_match(said: str, same: bool) -> None:
    assert results.unchanged(request(if_none_match=said), '"a"') is same


def test_lists_may_stand_on_several_lines() -> None:
    lines = [(b"if-none-match", b'"b"'), (b"if-none-match", b'"a"'), (b"prefer", b"x"), (b"prefer", b"wait=3")]
    asked = Request({"type": "http", "method": "GET", "path": "/", "headers": lines})
    assert results.unchanged(asked, '"a"')
    assert results.wait_of(asked) == 3


def test_a_webhooks_secrets_are_sealed() -> None:
    config = WebhookConfig(url="https://hooks.example.com/x", secret="s3cr3t", headers={"Authorization": "Bearer t"})
    made = callbacks.callback(config, Policy(), VAULT)
    assert made is not None
    assert made.secret is not None
    assert made.headers is not None
    assert VAULT.open(made.secret) == "s3cr3t"
    assert VAULT.open(made.headers) == '{"Authorization":"Bearer t"}'
    assert "s3cr3t" not in repr(made)
    assert callbacks.callback(None, Policy(), VAULT) is None


@pytest.mark.parametrize(
    "name", ["Content-Type", "HOST", "webhook-id", "X-Webhook-Signature", "user-agent", "transfer-encoding", "a b", ""]
)
def test_reserved_headers(name: str) -> None:
    assert callbacks.header_fault(name, "x") is not None
    assert callbacks.header_fault("X-Own", "x") is None
    assert callbacks.header_fault("X-Own", "a\r\nb") is not None


def test_pointers() -> None:
    assert problems.pointer(("body", "images", 0, "a/b~c")) == "/images/0/a~1b~0c"
    assert problems.pointer(("images", 3)) == "/images/3"
    assert problems.pointer(("query", "media_type")) == "media_type"


def test_quotas() -> None:
    quota = limits.Limits(2)
    assert quota.take("a")["RateLimit"].startswith('"submit";r=1;t=')
    quota.take("a")
    quota.take("b")
    with pytest.raises(problems.Problem) as problem:
        quota.take("a")
    assert problem.value.status == 429
    assert 1 <= int(problem.value.headers["Retry-After"]) <= 60


async def test_a_system_that_is_full_says_when_to_come_back() -> None:
    figures, nobody = status.Figures(tasks_per_slot=2), cast("Gateway", None)
    figures.keep("video", status.Speed(500.0, 500.0, 1, 1))
    figures.keep("load", status.Load(running=1, waiting=2, slots=2))
    assert await figures.used(nobody) == 0.75
    await figures.admit(nobody)
    figures.keep("load", status.Load(running=1, waiting=3, slots=2))
    with pytest.raises(problems.Problem) as caught:
        await figures.admit(nobody)
    assert (caught.value.status, caught.value.code, caught.value.headers["Retry-After"]) == (503, "saturated", "20")
