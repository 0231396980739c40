"""The contract's own vectors, and the public library as the judge."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from streams.webhooks.signing import Request, Scheme, Signer, SigningKey, legacy, public_of, signed_headers, v1

BODY = (
    b'{"job_id":"video_12345","status":"finished","result":{"raw_scenes":[{"start_seconds":0,"end_seconds":3}],'
    b'"frame_activity_diffs":[0.1]}}'
)
CURRENT, PREVIOUS = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY", "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
KEY = SigningKey("whpk_2026_11", "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
REQUEST = Request("https://hooks.example.com/nv", "msg_2mN8p4QxVb7Rk1Zs", 1795176000, BODY)
ALL: frozenset[Scheme] = frozenset({"v1", "v1a", "rfc9421", "legacy"})


def test_the_worked_example() -> None:
    headers = signed_headers(Signer(secrets=(CURRENT, PREVIOUS), keys=(KEY,), schemes=ALL), REQUEST)
    assert headers == {
        "webhook-id": "msg_2mN8p4QxVb7Rk1Zs",
        "webhook-timestamp": "1795176000",
        "webhook-signature": "v1,JvMAiYn13/Gm5VdNNAmmdKtrCf7pPs1Ue2BnUJeXwdQ= "
        "v1,VVFvDyR3bCiHHed34GWnt1pyPJmcMbMoBbFZ1NspnjM= "
        "v1a,2U5vg4bSGnO3BUoa9USve6zSGhjfvHyEf3sEuvkE7hzY/1U61YgostPVy67SjaNYo0+1h551p2vHdzn9+ToHBQ==",
        "X-Webhook-Signature": "01837bff648a3fde51f2d0f80349f5c34fefaf278aed89a6f99121e2f0d50b4c",
        "Content-Digest": "sha-256=:42EfY3aGLgDnhTStp7TObczhjbsYVTtwp+/W9sLTF28=:",
        "Signature-Input": 'sig1=("@method" "@target-uri" "content-digest" "content-type" "webhook-id" '
        '"webhook-timestamp");created=1795176000;keyid="whpk_2026_11";alg="ed25519"',
        "Signature": "sig1=:rGcDZVjuZ5/9JVyKD2T4358SI8+irbHNJMOT2UMBinJj4YFg7T9nIH1WJFE9PJJSYuWiLCGTqk18dbYAzPKQAg==:",
    }
    assert public_of(KEY.private) == "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="


def test_a_free_form_secret() -> None:
    headers = signed_headers(Signer(secrets=("s3cr3t-from-client",)), REQUEST)
    assert headers["webhook-signature"] == "v1,HY1RqPJIhydw0alPjq3VmfpAFQF1OHPmvaovXJ2o10Q="
    assert headers["X-Webhook-Signature"] == "772ceae6d75c195f5c3901d70859c77813a03e6745c35c2d80bf3b2d59891ce8"


def test_the_published_vector_of_svix() -> None:
    request = Request("", "msg_loFOjxBNrRLzqYUf", 1731705121, b'{"event_type":"ping","data":{"success":true}}')
    assert v1("whsec_plJ3nmyCDGBKInavdOK15jsl", request) == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_without_a_secret_nothing_is_signed() -> None:
    assert set(signed_headers(Signer(), REQUEST)) == {"webhook-id", "webhook-timestamp"}


def test_the_older_header_may_use_the_former_secret() -> None:
    headers = signed_headers(Signer(secrets=(CURRENT, PREVIOUS), legacy_secret=PREVIOUS), REQUEST)
    assert headers["X-Webhook-Signature"] == legacy(PREVIOUS, BODY)


@pytest.mark.parametrize(("form", "start"), [("hex", "0183"), ("prefixed", "sha256=0183"), ("base64", "AYN7")])
def test_forms_of_the_older_header(form: str, start: str) -> None:
    assert legacy(CURRENT, BODY, form).startswith(start)  # type: ignore[arg-type]


@given(st.text(max_size=200), st.sampled_from((CURRENT, PREVIOUS)))
def test_the_library_accepts_each_secret_of_a_rotation(text: str, secret: str) -> None:
    now = int(datetime.now(UTC).timestamp())
    body = orjson.dumps({"text": text})
    headers = signed_headers(Signer(secrets=(CURRENT, PREVIOUS)), Request("", "msg_0123456789abcdef", now, body))
    assert Webhook(secret).verify(body, headers) == {"text": text}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
