"""The four grants: who proves what, and the tokens that come of it (contract, section 2)."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Caller
from api.gateway import Gateway, Refused
from api.nx import onetime, scope
from api.nx.auth import PREFIX
from api.nx.problems import Problem
from api.nx.wire import Json, known_id
from infra.identity import ExpiredToken, Identity, InvalidToken, hash_password, password_fits
from infra.postgres import Row
from infra.secrets import digest, mint_url
from infra.vault import Vault
from projections.tenancy import queries
from schemas.ids import new_id
from schemas.tenancy.messages import CloseSession, OpenSession, RotateSession, UseSecondFactor

CODE_SECONDS = 60
REFRESHABLE = timedelta(days=30)


@cache
def nobody() -> str:
    """What the password of an unknown e-mail is held against, so that it takes as long."""
    return hash_password(mint_url())


class TokenRequest(BaseModel):
    """One of four grants; each needs its own members."""

    model_config = ConfigDict(extra="ignore")

    grant_type: Literal["authorization_code", "refresh_token", "password", "system_credentials"]
    code: str = ""
    redirect_uri: str = ""
    client_id: str = Field("", max_length=200)
    response_type: Literal["token"] | None = None
    refresh_token: str = ""
    username: str = Field("", max_length=320)
    password: str = Field("", max_length=1000)
    mfaCode: str = Field("", max_length=20)  # noqa: N815  # the wire's spelling
    scope: str = Field("", max_length=500)


class TokenResponse(BaseModel):
    access_token: str
    refresh_token: str | None = None
    expires_in: int
    expires_at: int
    token_type: str
    scope: str


class Tokens(msgspec.Struct, frozen=True):
    """What issuing needs."""

    gate: Gateway
    identity: Identity
    vault: Vault
    public_url: str

    async def grant(self, asked: TokenRequest) -> Json:
        """The tokens for a grant.

        Errors: Problem.
        """
        for name in NEEDED[asked.grant_type]:
            if not getattr(asked, name):
                raise Problem(400, f"{asked.grant_type} needs {name}", field=name, error="invalid_request")
        wanted = readable(asked.scope)
        match asked.grant_type:
            case "authorization_code":
                return await self.by_code(asked)
            case "refresh_token":
                return await self.by_refresh(asked, wanted)
            case "password":
                person = await self.person(asked.username, asked.password, asked.mfaCode)
                return await self.open(new_id(), person, asked.client_id, asked.scope)
            case "system_credentials":
                return await self.by_site(asked)

    async def person(self, username: str, password: str, code: str = "") -> Row:
        """The person whose e-mail and password these are, and whose one-time code where the account asks for one.

        Errors: Problem 401.
        """
        async with self.gate.read("") as db:
            found = await queries.user_by_email(db, username)
        fits = await asyncio.to_thread(lambda: password_fits(found["password_hash"] if found else nobody(), password))
        if found is None or not fits:
            raise Problem(
                401, "Unknown account or wrong password", credential=True, error="invalid_grant", Email=username
            )
        if found["second_factor"] is not None:
            await self.second_factor(found, code)
        return found

    async def second_factor(self, person: Row, code: str) -> None:
        """Spends the code.

        Errors: Problem 401.
        """
        if not code:
            raise no_code("The account asks for a one-time code", "mfa_required")
        step = onetime.step_of(self.vault.open(person["second_factor"]), code, time.time())
        if step is None:
            raise no_code("The one-time code is not valid", "invalid_grant")
        try:
            command = UseSecondFactor(step=step)
            await self.gate.ask(command, stream=person["id"], caller=platform(person["email"]), organisation="")
        except Refused as refused:
            raise no_code("The one-time code is not valid", "invalid_grant") from refused

    def code(self, person: Row, client: str, redirect: str, asked: str) -> str:
        """A code for one exchange by this client within a minute."""
        told = {"typ": "code", "user": person["id"], "client_id": client, "redirect": redirect, "scope": asked}
        return self.identity.issue("nx", person["email"], CODE_SECONDS, **told)

    async def by_code(self, asked: TokenRequest) -> Json:
        """The code's own id is the session's: a second exchange finds it open, and ends it (RFC 6749, 4.1.2)."""
        try:
            claims = await self.identity.check("nx", asked.code)
        except (ExpiredToken, InvalidToken) as problem:
            raise no_grant("code") from problem
        same = (claims.get("client_id"), claims.get("redirect")) == (asked.client_id, asked.redirect_uri)
        if claims.get("typ") != "code" or not same or claims["exp"] < time.time():
            raise no_grant("code")
        person = {"id": claims["user"], "email": claims["sub"]}
        try:
            return await self.open(claims["jti"], person, asked.client_id, claims["scope"])
        except Refused as refused:
            await self.close(claims["jti"], claims["sub"], "code replayed")
            raise no_grant("code") from refused

    async def open(self, session: str, person: Any, client: str, asked: str) -> Json:
        """A new session and its first tokens."""
        refresh, until = refresh_token(session)
        command = OpenSession(user=person["id"], client=client, scope=asked, digest=digest(refresh), expires_at=until)
        await self.gate.ask(command, stream=session, caller=platform(person["email"]), organisation="")
        return self.answer(person, session, client, asked, refresh)

    async def by_refresh(self, asked: TokenRequest, wanted: scope.Scope) -> Json:
        """The next pair of a session; a token that was used before ends it."""
        session = session_of(asked.refresh_token)
        async with self.gate.read("") as db:
            row = await queries.session(db, session) if session else None
            person = await queries.user(db, row["user"]) if row else None
        if session is None or row is None or person is None or row["closed_at"] or row["client"] != asked.client_id:
            raise no_grant("refresh_token")
        if asked.scope and not scope.parse(row["scope"]).holds(wanted):
            raise Problem(400, "The scope can be narrowed, not widened", field="scope", error="invalid_scope")
        refresh, until = refresh_token(session)
        command = RotateSession(presented=digest(asked.refresh_token), digest=digest(refresh), expires_at=until)
        try:
            await self.gate.ask(command, stream=session, caller=platform(person["email"]), organisation="")
        except Refused as refused:
            raise no_grant("refresh_token") from refused
        async with self.gate.read("") as db:
            now = await queries.session(db, session)
        if now is None or now["closed_at"]:
            raise no_grant("refresh_token")
        return self.answer(person, session, asked.client_id, asked.scope or row["scope"], refresh)

    async def by_site(self, asked: TokenRequest) -> Json:
        """A site's own key: reads what the site sees, and has no session."""
        site = known_id(asked.client_id)
        async with self.gate.read("") as db:
            key = await queries.key(db, digest(asked.password))
        if key is None or key["surface"] != "nx" or f"{scope.SYSTEM}{site}" not in key["scopes"]:
            raise Problem(401, "Unknown site or wrong key", credential=True, error="invalid_client")
        reach = f"{self.public_url} {scope.SYSTEM}{site}"
        told = {"org": key["organisation"], "role": "viewer", "client_id": site}
        return self.said(self.identity.issue("nx", str(site), scope=reach, typ="accessToken", **told), reach)

    def answer(self, person: Any, session: str, client: str, asked: str, refresh: str) -> Json:
        told = {"user": person["id"], "sid": session, "client_id": client, "typ": "accessToken", "scope": asked}
        access = self.identity.issue("nx", person["email"], **told)
        return {**self.said(access, asked), "refresh_token": refresh}

    def said(self, access: str, asked: str) -> Json:
        seconds = self.identity.seconds
        return {
            "access_token": PREFIX + access,
            "expires_in": seconds,
            "expires_at": int(time.time()) + seconds,
            "token_type": "bearer",
            "scope": asked,
        }

    async def close(self, session: str, actor: str, reason: str) -> None:
        await self.gate.ask(CloseSession(reason=reason), stream=session, caller=platform(actor), organisation="")


NEEDED = {
    "authorization_code": ("code", "redirect_uri", "client_id"),
    "refresh_token": ("refresh_token",),
    "password": ("username", "password"),
    "system_credentials": ("client_id", "password"),
}


def readable(text: str) -> scope.Scope:
    try:
        return scope.parse(text)
    except scope.Unreadable as problem:
        raise Problem(400, str(problem), field="scope", error="invalid_scope") from problem


def no_grant(field: str) -> Problem:
    """One answer for every way in which a code or refresh token is not good."""
    return Problem(400, f"The {field} is not valid", field=field, error="invalid_grant")


def no_code(message: str, error: str) -> Problem:
    return Problem(401, message, field="mfaCode", credential=True, error=error)


def refresh_token(session: str) -> tuple[str, datetime]:
    """A new refresh token of the session, and until when it is good."""
    return f"{PREFIX}{session}.{mint_url()}", datetime.now(UTC) + REFRESHABLE


def session_of(refresh: str) -> str | None:
    """The session that a refresh token names."""
    return known_id(refresh.removeprefix(PREFIX).partition(".")[0])


def platform(actor: str) -> Caller:
    """A person before any organisation is known."""
    return Caller(organisation="", actor=actor, role="viewer", surface="nx")
