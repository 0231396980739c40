"""The local token issuer (EdDSA, RFC 8037), outside OIDC issuers, and password hashes.

Audiences keep the dialects apart: a token made for one never opens another.
"""

from __future__ import annotations

import asyncio
import base64
import time
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import httpx
import orjson
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet, OKPKey

from infra.settings import Issuer, Settings
from schemas.ids import new_id

Signed = Callable[[str], dict[str, Any]]
Dialect = Literal["nx", "acusight", "iot", "noxovision", "console"]
ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "RS256"]
SKEW = 60
"""Seconds of clock difference that are forgiven."""
PASSWORDS = PasswordHasher()
warnings.filterwarnings("ignore", category=SecurityWarning)
"""RFC 9864 renames EdDSA to Ed25519; clients of the dialects know the old name."""


class InvalidToken(ValueError):
    """A token that is not to be trusted; the text says why, for the log, never for the caller."""


class ExpiredToken(InvalidToken):
    """A good token past its time."""


class Identity:
    """Issues and checks tokens."""

    def __init__(self, settings: Settings) -> None:
        self.issuer = settings.identity.issuer
        self.seconds = settings.identity.token_seconds
        self.key = signing_key(settings)
        self.signed = signed_by(self.key)
        self.outside = {issuer.issuer: Outside(issuer) for issuer in settings.identity.issuers}

    def jwks(self) -> dict[str, Any]:
        """Public keys (RFC 7517)."""
        return {"keys": [{**self.key.as_dict(private=False), "use": "sig", "alg": "EdDSA"}]}

    def issue(self, dialect: Dialect, subject: str, seconds: int | None = None, **claims: Any) -> str:
        """A signed token for one dialect; `claims` are the dialect's own."""
        now = int(time.time())
        body = {"iss": self.issuer, "aud": dialect, "sub": subject, "iat": now, "nbf": now, "jti": new_id()}
        body |= {"exp": now + (seconds or self.seconds), **claims}
        return jwt.encode({"alg": "EdDSA", "kid": self.key.kid}, body, self.key, algorithms=ALGORITHMS)

    async def check(self, dialect: Dialect, token: str) -> dict[str, Any]:
        """Claims of a token for this dialect.

        Errors: ExpiredToken, InvalidToken.
        """
        claims = unverified(token)
        outside = self.outside.get(str(claims.get("iss")))
        if outside is not None:
            return outside.translated(
                verified(token, await outside.keys(), outside.issuer.issuer, outside.issuer.audience)
            )
        return verified(token, self.signed, self.issuer, dialect)


class Outside:
    """An OIDC issuer of somebody else; its keys are fetched again when they are an hour old."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.known: Signed | None = None
        self.fetched = 0.0
        self.lock = asyncio.Lock()

    async def keys(self) -> Signed:
        async with self.lock:
            if self.known is None or time.monotonic() - self.fetched > 3600:
                async with httpx.AsyncClient(timeout=5) as client:
                    url = (
                        self.issuer.jwks_url
                        or (
                            await client.get(f"{self.issuer.issuer.rstrip('/')}/.well-known/openid-configuration")
                        ).json()["jwks_uri"]
                    )
                    self.known = signed_by(KeySet.import_key_set((await client.get(url)).json()))
                self.fetched = time.monotonic()
            return self.known

    def translated(self, claims: dict[str, Any]) -> dict[str, Any]:
        """Its own claim names beside ours."""
        organisation, role = claims.get(self.issuer.organisation_claim), claims.get(self.issuer.role_claim)
        return {
            **claims,
            "org": organisation,
            "organization_id": organisation,
            "role": role,
            "roles": [role] if role else [],
        }


def unverified(token: str) -> dict[str, Any]:
    """Claims before any check: only good to choose the issuer by."""
    try:
        body = token.split(".")[1]
        return dict(orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except Exception as problem:
        raise InvalidToken("not a JWT") from problem


def signed_by(key: Any) -> Signed:
    """Claims of a token that `key` signed. A signature that was good stays good: it is checked once.

    Errors of what it returns: JoseError, ValueError.
    """

    @lru_cache(4096)
    def claims(token: str) -> dict[str, Any]:
        return jwt.decode(token, key, algorithms=ALGORITHMS).claims

    return claims


def verified(token: str, signed: Signed, issuer: str, audience: str) -> dict[str, Any]:
    try:
        claims = dict(signed(token))
    except (JoseError, ValueError) as problem:
        raise InvalidToken("signature") from problem
    now, wanted = time.time(), claims.get("aud")
    if claims.get("iss") != issuer:
        raise InvalidToken("issuer")
    if audience not in (wanted if isinstance(wanted, list) else [wanted]):
        raise InvalidToken("audience")
    if not isinstance(claims.get("exp"), int | float) or claims["exp"] + SKEW < now:
        raise ExpiredToken("expired")
    if claims.get("nbf", 0) - SKEW > now:
        raise InvalidToken("not yet valid")
    return claims


def signing_key(settings: Settings) -> OKPKey:
    """The issuer's key, made on first use where the file is missing (local stack)."""
    path = settings.identity.signing_key_file
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = OKPKey.generate_key("Ed25519")
        path.touch(mode=0o600)
        path.write_bytes(made.as_pem(private=True))
    key = OKPKey.import_key(path.read_bytes())
    key.ensure_kid()
    return key


def hash_password(password: str) -> str:
    return PASSWORDS.hash(password)


def password_fits(hashed: str, password: str) -> bool:
    """Whether the password is the one (argon2id, RFC 9106)."""
    try:
        return PASSWORDS.verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False
