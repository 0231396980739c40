"""What a fresh local stack starts with: two organisations, each with people, keys and one Nx site.

Everything goes through commands with ids that follow from names, so that a second run changes nothing. The secrets are
drawn once and kept in `var/credentials.json`, readable by its owner only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.commands import Commands, Refused
from infra.failures import Unknown
from infra.identity import Identity, hash_password
from infra.secrets import digest, mint
from infra.settings import Settings
from schemas.base import Command, asking
from schemas.fleet.messages import RegisterDevice
from schemas.ids import derived_id
from schemas.records.messages import PutRecord
from schemas.tenancy.messages import AddMember, CreateApiKey, CreateOrganisation, CreateUser

ORGANISATIONS = ("acme", "globex")
NX_CLIENT = "3rdParty"
SCOPES = ("submit", "read", "webhooks", "allowlist", "admin")
YEAR = 365 * 86_400


def id_of(*names: str) -> str:
    """The same id for the same names, on every machine."""
    return derived_id("sightlog", "/".join(names))


def drawn(settings: Settings) -> dict[str, dict[str, str]]:
    """Passwords and keys, drawn on first use."""
    path: Path = settings.var / "credentials.json"
    if not path.exists():
        made = {
            name: {"password": mint("", 24), "sk": mint("sk_live_"), "nvk": mint("nvk_"), "hash": ""}
            for name in ORGANISATIONS
        }
        for secrets in made.values():
            secrets["hash"] = hash_password(secrets["password"])
        path.touch(mode=0o600)
        path.write_text(json.dumps(made, indent=1))
    found: dict[str, dict[str, str]] = json.loads(path.read_text())
    return found


def commands(name: str, secrets: dict[str, str]) -> Iterator[tuple[str, str, Command]]:
    """(stream, organisation, command) of one organisation, in order."""
    org, user = id_of(name), user_of(name)
    yield org, org, CreateOrganisation(name=name.capitalize(), slug=name)
    yield user, "", CreateUser(email=email_of(name), name=f"{name.capitalize()} Owner", password_hash=secrets["hash"])
    yield f"{org}:{user}", org, AddMember(user=user, role="owner")
    for surface, secret, role in (("iot", secrets["sk"], "admin"), ("noxovision", secrets["nvk"], "admin")):
        key = CreateApiKey(
            surface=surface, name="first key", digest=digest(secret), prefix=secret[:12], role=role, scopes=SCOPES
        )
        yield f"key_{id_of(name, surface)}", org, key
    yield id_of(name, "site"), org, PutRecord(kind="site", body={"name": "Headquarters", "version": "6.1.2"})
    server = {
        "site": id_of(name, "site"),
        "name": "Server 1",
        "preprocessors": [],
        "postprocessors": ["object counting"],
    }
    yield id_of(name, "server"), org, PutRecord(kind="server", body=server)
    for camera in ("Entrance", "Street"):
        device = RegisterDevice(name=camera, site=id_of(name, "site"), server=id_of(name, "server"), tags=("camera",))
        yield id_of(name, "device", camera), org, device


def user_of(name: str) -> str:
    return "user_" + id_of(name, "owner").replace("-", "")


def email_of(name: str) -> str:
    return f"owner@{name}.example"


async def seed(settings: Settings) -> dict[str, Any]:
    """Creates what is missing; returns the `organisations` part of `stack.json`."""
    secrets, identity = drawn(settings), Identity(settings)
    log = Commands(settings)
    await log.start()
    try:
        while log.parts() != {"kafka": "ok", "postgres": "ok"}:  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.1)
        for name in ORGANISATIONS:
            for stream, organisation, command in commands(name, secrets[name]):
                await put(log, stream, organisation, command)
    finally:
        await log.stop()
    return {name: credentials(name, secrets[name], identity) for name in ORGANISATIONS}


async def put(log: Commands, stream: str, organisation: str, command: Command) -> None:
    """A thing that is there already is as good as a new one."""
    id = derived_id(stream, f"seed/{type(command).__name__}")
    meta = asking(stream, organisation=organisation, actor="seed", id=id)
    try:
        await log.submit(command, meta, wait=30)
    except Refused as refused:
        if refused.code not in ("conflict", "device.exists", "idempotency.mismatch"):
            raise


def credentials(name: str, secrets: dict[str, str], identity: Identity) -> dict[str, Any]:
    org, user = id_of(name), user_of(name)
    said: dict[str, Any] = {"seconds": YEAR, "email": email_of(name)}
    return {
        "id": org,
        "nx": {"username": email_of(name), "password": secrets["password"], "client_id": NX_CLIENT},
        "acusight": {"token": identity.issue("acusight", user, organization_id=org, roles=["admin"], **said)},
        "iot": {"api_key": secrets["sk"], "token": identity.issue("iot", user, org=org, role="OWNER", **said)},
        "noxovision": {"api_key": secrets["nvk"]},
    }


def token(settings: Settings, organisation: str, role: str = "owner", dialect: str = "iot") -> str:
    """A bearer token of an hour for one dialect, as the seeded owner of an organisation.

    Errors: Unknown for the organisation or the dialect.
    """
    if organisation not in ORGANISATIONS:
        raise Unknown(f"no organisation {organisation!r}; there are {', '.join(ORGANISATIONS)}")
    org, user, identity = id_of(organisation), user_of(organisation), Identity(settings)
    if dialect == "acusight":
        return identity.issue("acusight", user, organization_id=org, roles=[role], email=email_of(organisation))
    if dialect == "iot":
        return identity.issue("iot", user, org=org, role=role.upper(), email=email_of(organisation))
    raise Unknown("tokens are for acusight or iot; Nx signs in at /cdb/oauth2/token, Noxovision has keys")
