"""Sign-in, tokens, and their end: `/authorize` and `/cdb`."""

from __future__ import annotations

from html import escape
from string import Template
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from api.gateway import Gate
from api.nx.auth import PREFIX, claims_of, known
from api.nx.problems import Problem, answers, malformed
from api.nx.tokens import TokenRequest, TokenResponse, Tokens, readable, session_of
from api.nx.wire import Message, answer
from projections.tenancy import queries

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LONGEST = 16_384
"""Bytes of a token request."""
router = APIRouter(tags=["Identity"])


def tokens(request: Request, gate: Gate) -> Tokens:
    state = request.app.state
    return Tokens(gate, state.identity, state.vault, state.settings.api.public_url)


Issuing = Annotated[Tokens, Depends(tokens)]


class Ask(msgspec.Struct, frozen=True):
    """What a client wants of a sign-in."""

    redirect: str
    client: str = ""
    state: str | None = None
    scope: str = ""


def wanted(given: dict[str, str]) -> Ask:
    """Reads and checks a client's request.

    Errors: Problem 400. Nothing is ever sent to an address that is not plainly the web's.
    """
    redirect = given.get("redirect_uri") or given.get("redirect_url") or ""
    if not safe(redirect):
        raise Problem(400, "An https address (or http of this machine) to return to", field="redirect_uri")
    readable(given.get("scope", ""))
    return Ask(redirect, given.get("client_id", "")[:200], given.get("state"), given.get("scope", ""))


def safe(address: str) -> bool:
    """Whether a code may be sent there."""
    try:
        where = urlsplit(address)
        local = where.scheme == "http" and where.hostname in LOOPBACK
    except ValueError:
        return False
    return bool(where.hostname) and (where.scheme == "https" or local) and not (where.fragment or where.username)


async def form(request: Request) -> dict[str, Any]:
    """The members of a small form or JSON body.

    Errors: Problem 400, 413, 415.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            raise Problem(413, "The body is too long")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            return msgspec.json.decode(body, type=dict[str, Any])
        if kind in ("application/x-www-form-urlencoded", ""):
            return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Problem(400, "The body cannot be read", field="body") from problem
    raise Problem(415, "Send a form or JSON", field="Content-Type")


DOCUMENTED = (
    ("redirect_uri", "Return address; redirect_url is an accepted spelling"),
    ("redirect_url", "Same as redirect_uri"),
    ("client_id", "Client identifier"),
    ("state", "Opaque anti-CSRF value, echoed back"),
    ("scope", "Resource prefix and cloudSystemId=<uuid or *>"),
)
PARAMETERS = {
    "parameters": [{"name": n, "in": "query", "description": d, "schema": {"type": "string"}} for n, d in DOCUMENTED]
}
REDIRECTS: dict[int | str, dict[str, Any]] = {
    302: {"description": "Back to the client, with code and state"},
    400: {"model": Message},
}


@router.get("/authorize", operation_id="authorizeRedirect", responses=REDIRECTS, openapi_extra=PARAMETERS)
async def authorize(request: Request) -> HTMLResponse:
    """Shows the sign-in page; signing in there redirects back with a code."""
    return signin(wanted(dict(request.query_params)))


@router.post("/authorize", operation_id="signIn", responses={**REDIRECTS, 401: {"description": "Wrong password"}})
async def sign_in(request: Request, issuing: Issuing) -> Response:
    """What the sign-in page sends."""
    given = {name: value for name, value in (await form(request)).items() if isinstance(value, str)}
    ask = wanted(given)
    try:
        person = await issuing.person(given.get("username", ""), given.get("password", ""), given.get("mfaCode", ""))
    except Problem as problem:
        return signin(ask, problem.message, problem.status)
    code = issuing.code(person, ask.client, ask.redirect, ask.scope)
    return RedirectResponse(returned(ask, code), 302, {"Cache-Control": "no-store"})


def returned(ask: Ask, code: str) -> str:
    """The client's address with code and state among what it already asks."""
    parts = urlsplit(ask.redirect)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("code", code)]
    query += [("state", ask.state)] if ask.state is not None else []
    return urlunsplit(parts._replace(query=urlencode(query)))


@router.post(
    "/cdb/oauth2/token",
    operation_id="issueToken",
    responses={**answers(TokenResponse, description="Tokens issued"), 413: {"model": Message}, 415: {"model": Message}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"$ref": "#/components/schemas/TokenRequest"}}
                for kind in ("application/x-www-form-urlencoded", "application/json")
            },
        }
    },
)
async def issue(request: Request, issuing: Issuing) -> Response:
    """Exchanges a grant for tokens."""
    try:
        asked = TokenRequest.model_validate(await form(request))
    except ValidationError as problem:
        raise malformed(problem.errors()) from problem
    return answer(await issuing.grant(asked), headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


@router.delete(
    "/cdb/oauth2/token/{token}",
    operation_id="revokeToken",
    responses={**answers(Message, description="Revoked"), 204: {"description": "Revoked"}},
)
async def revoke(token: str, request: Request, gate: Gate, issuing: Issuing) -> Response:
    """Ends the session of a token of one's own; what is no token is as good as revoked (RFC 7009)."""
    person = await known(request, gate)
    session = await session_behind(request, token)
    async with gate.read("") as db:
        row = await queries.session(db, session) if session else None
    if session and row is not None and row["user"] == person.user and row["closed_at"] is None:
        await issuing.close(session, person.actor, "revoked")
    return answer({"Message": "Ok"})


async def session_behind(request: Request, token: str) -> str | None:
    if (session := session_of(token)) is not None:
        return session
    try:
        found = (await claims_of(request, token.removeprefix(PREFIX))).get("sid")
    except Problem:
        return None
    return str(found) if found else None


def signin(ask: Ask, complaint: str = "", status: int = 200) -> HTMLResponse:
    """The page; it says where the person will be sent."""
    place = urlsplit(ask.redirect)
    hidden = {"redirect_uri": ask.redirect, "client_id": ask.client, "scope": ask.scope, "state": ask.state}
    fields = (f'<input type="hidden" name="{n}" value="{escape(v)}">' for n, v in hidden.items() if v is not None)
    text = PAGE.substitute(
        place=escape(place.netloc), complaint=escape(complaint), hidden="".join(fields), client=escape(ask.client)
    )
    policy = f"default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {place.scheme}://{place.netloc}"
    headers = {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'", "Cache-Control": "no-store"}
    return HTMLResponse(text, status, {**headers, "Referrer-Policy": "no-referrer"})


PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; background: #f3f5f7; color: #17212b; display: grid; place-items: center;
       min-height: 100vh; margin: 0 }
form { background: #fff; padding: 2rem; border-radius: 10px; box-shadow: 0 2px 14px #0002; width: 20rem }
h1 { font-size: 1.2rem; margin: 0 0 .5rem } p { margin: 0 0 1rem; color: #52606d } .bad { color: #b3261e }
label { display: block; margin-bottom: 1rem }
input { width: 100%; box-sizing: border-box; padding: .5rem; font: inherit; border: 1px solid #c3ccd5;
        border-radius: 6px }
button { width: 100%; padding: .6rem; font: inherit; color: #fff; background: #17507f; border: 0; border-radius: 6px }
</style></head><body>
<form method="post" action="authorize"><h1>Sign in</h1>
<p>You will return to <strong>$place</strong> as client <strong>$client</strong>.</p>
<p class="bad" role="alert">$complaint</p>$hidden
<label>E-mail<input name="username" type="email" autocomplete="username" required autofocus></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<label>One-time code, if your account asks for one
<input name="mfaCode" inputmode="numeric" autocomplete="one-time-code" maxlength="20"></label>
<button>Sign in</button></form></body></html>
""")
