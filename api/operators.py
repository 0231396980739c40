"""What those who run the platform do to accounts and channel partners: the `sightlog` command calls it."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

from infra.commands import Commands
from infra.secrets import digest, mint
from infra.settings import Settings
from infra.vault import open_vault
from projections.records import queries as records
from projections.tenancy import queries
from schemas.base import Command, asking
from schemas.ids import new_id
from schemas.tenancy.messages import AddMember, CreateApiKey, CreateOrganisation, PlaceOrganisation, SetSecondFactor

SITE_KEY = "nxk_"
SECRET_BYTES = 20
"""As long as SHA-1's output (RFC 4226, section 4)."""


class UnknownAccount(ValueError):
    """Nobody signs in with this e-mail."""


class UnknownSite(ValueError):
    """The organisation has no site of this id."""


class Operator:
    """Sends commands as an operator."""

    def __init__(self, log: Commands) -> None:
        self.log = log

    async def put(self, command: Command, stream: str, organisation: str) -> None:
        await self.log.submit(command, asking(stream, organisation=organisation, actor="operator"), wait=30)

    async def account(self, email: str) -> str:
        """Errors: UnknownAccount."""
        async with self.log.read("") as db:
            found = await queries.user_by_email(db, email)
        if found is None:
            raise UnknownAccount(f"nobody signs in as {email}")
        return str(found["id"])


@asynccontextmanager
async def operating(settings: Settings) -> AsyncIterator[Operator]:
    log = Commands(settings, settings.postgres.api)  # bound by row-level security
    await log.start()
    try:
        while log.parts() != {"kafka": "ok", "postgres": "ok"}:  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.1)
        yield Operator(log)
    finally:
        await log.stop()


async def second_factor(settings: Settings, email: str, off: bool = False) -> str | None:
    """Asks an account for one-time codes, or no longer; the address that an authenticator app takes in, shown once.

    Errors: UnknownAccount.
    """
    secret = None if off else base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
    sealed = open_vault(settings).seal(secret) if secret else None
    async with operating(settings) as operator:
        await operator.put(SetSecondFactor(secret=sealed), await operator.account(email), "")
    return (
        f"otpauth://totp/Sightlog:{quote(email)}?{urlencode({'secret': secret, 'issuer': 'Sightlog'})}"
        if secret
        else None
    )


async def site_key(settings: Settings, organisation: str, site: str) -> str:
    """A key that a site of the organisation signs in with (grant `system_credentials`), shown once.

    Errors: UnknownSite.
    """
    secret = mint(SITE_KEY)
    key = CreateApiKey(
        surface="nx",
        name=f"site {site}",
        digest=digest(secret),
        prefix=secret[:12],
        role="viewer",
        scopes=(f"cloudSystemId={site}",),
    )
    async with operating(settings) as operator:
        async with operator.log.read(organisation) as db:
            if await records.one(db, "site", site) is None:
                raise UnknownSite(f"the organisation has no site {site}")
        await operator.put(key, f"key_{new_id()}", organisation)
    return secret


async def partner(
    settings: Settings, name: str, over: Sequence[str], members: Sequence[str], role: str = "member"
) -> str:
    """A new channel partner over these organisations (ids), with these people (e-mails) in this role; its id.

    Errors: UnknownAccount, Refused.
    """
    id = new_id()
    async with operating(settings) as operator:
        people = [await operator.account(email) for email in members]
        await operator.put(CreateOrganisation(name=name, slug=f"partner-{id}", kind="channel_partner"), id, id)
        for organisation in over:
            await operator.put(PlaceOrganisation(partner=id), organisation, organisation)
        for person in people:
            await operator.put(AddMember(user=person, role=role), f"{id}:{person}", id)
    return id
