"""Who calls: a person with a JWT or a program with an `sk_` key (contract, 3)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from api.auth import Caller, Credential, at_least, bearer
from api.gateway import Gateway
from api.iot.problems import Problem
from infra.identity import Identity, InvalidToken
from schemas.ids import is_id

KEY = "sk_"
ROLES = {"OWNER": "owner", "ADMIN": "admin", "MEMBER": "member"}
BEARER = HTTPBearer(auto_error=False, scheme_name="bearerAuth", description="A session JWT or an `sk_` API key")
NOBODY = Problem(401, "UNAUTHENTICATED", "A valid credential is needed.")


async def known(request: Request) -> Caller:
    """Errors: Problem 401 for a credential that is missing, unknown, revoked, expired, or of another dialect."""
    token = bearer(request)
    if token is None:
        raise NOBODY
    if token.startswith(KEY):
        return await program(request.app.state.gateway, token)
    return await person(request.app.state.identity, token)


async def program(gate: Gateway, key: str) -> Caller:
    row = await gate.api_key(key)
    if row is None or row["surface"] != "iot":
        raise NOBODY
    return Caller(organisation=row["organisation"], actor=row["id"], role=row["role"], surface="iot")


async def person(identity: Identity, token: str) -> Caller:
    try:
        claims = await identity.check("iot", token)
    except InvalidToken:
        raise NOBODY from None
    organisation, subject, role = claims.get("org"), claims.get("sub"), ROLES.get(str(claims.get("role")).upper())
    if not isinstance(organisation, str) or not is_id(organisation) or not isinstance(subject, str) or role is None:
        raise NOBODY
    return Caller(
        organisation=organisation.lower(), actor=subject, role=role, surface="iot", user=subject, claims=claims
    )


def needs(role: str) -> Credential[Caller]:
    """A caller whose role reaches `role`."""

    async def check(request: Request) -> Caller:
        caller = await known(request)
        if not at_least(caller, role):
            raise Problem(403, "INSUFFICIENT_ROLE", f"This needs the role {role.upper()}.")
        request.state.caller = caller
        return caller

    return Credential(BEARER, check)


Member = Annotated[Caller, Depends(needs("member"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
Owner = Annotated[Caller, Depends(needs("owner"))]
