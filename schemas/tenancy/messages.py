"""Generated from tenancy/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from datetime import datetime

from schemas.base import Command, Event, Json


class AddMember(Command, frozen=True, kw_only=True):
    """Gives a user a role in the organisation; the stream is `organisation:user`."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    user: str
    role: str


class ChangeOrganisation(Command, frozen=True, kw_only=True):
    """Renames it or changes its settings; absent members stay."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    name: str | None = None
    settings: Json | None = None


class CloseSession(Command, frozen=True, kw_only=True):
    """Ends a session."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    reason: str = "revoked"


class CreateApiKey(Command, frozen=True, kw_only=True):
    """Registers a key by its SHA-256; the stream is the key id."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    surface: str
    name: str
    digest: str
    prefix: str
    role: str
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None


class CreateOrganisation(Command, frozen=True, kw_only=True):
    """Opens an organisation; the stream is its id."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    name: str
    slug: str
    timezone: str = "UTC"
    kind: str = "organization"


class CreateUser(Command, frozen=True, kw_only=True):
    """Registers a person; the stream is the user id. The password travels as an argon2 hash only."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    email: str
    name: str = ""
    password_hash: str


class OpenSession(Command, frozen=True, kw_only=True):
    """Starts a chain of refresh tokens (RFC 6749, section 6); the stream is the session id."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    user: str
    client: str
    scope: str
    digest: str
    expires_at: datetime


class PlaceOrganisation(Command, frozen=True, kw_only=True):
    """Puts an organisation under a channel partner, or under none; the stream is its id."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    partner: str | None = None


class RemoveMember(Command, frozen=True, kw_only=True):
    """Ends a membership."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    user: str


class RevokeApiKey(Command, frozen=True, kw_only=True):
    """Closes a key."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"


class RotateSession(Command, frozen=True, kw_only=True):
    """Exchanges the newest refresh token; an older one ends the session (reuse detection, RFC 9700 4.14.2)."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    presented: str
    digest: str
    expires_at: datetime


class SetSecondFactor(Command, frozen=True, kw_only=True):
    """Asks for a one-time code (RFC 6238) beside the password; the stream is the user id. The secret travels sealed; none switches it off."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    secret: str | None = None


class UseSecondFactor(Command, frozen=True, kw_only=True):
    """Spends a one-time code: `step` is the time step that it is of (RFC 6238, 5.2)."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.commands"

    step: int


class ApiKeyCreated(Event, frozen=True, kw_only=True):
    """A key opens a surface."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    surface: str
    name: str
    digest: str
    prefix: str
    role: str
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None


class ApiKeyRevoked(Event, frozen=True, kw_only=True):
    """A key is closed."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"


class MemberAdded(Event, frozen=True, kw_only=True):
    """A user is a member."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    user: str
    role: str


class MemberRemoved(Event, frozen=True, kw_only=True):
    """A membership has ended."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    user: str


class OrganisationChanged(Event, frozen=True, kw_only=True):
    """Name and settings as they are now."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    name: str
    settings: Json


class OrganisationCreated(Event, frozen=True, kw_only=True):
    """An organisation exists."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    name: str
    slug: str
    timezone: str = "UTC"
    kind: str = "organization"


class OrganisationPlaced(Event, frozen=True, kw_only=True):
    """The organisation is under this channel partner."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    partner: str | None = None


class SecondFactorSet(Event, frozen=True, kw_only=True):
    """Sign-in asks for a one-time code of this sealed secret, or for none."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    secret: str | None = None


class SecondFactorUsed(Event, frozen=True, kw_only=True):
    """Codes up to this time step are spent."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    step: int


class SessionClosed(Event, frozen=True, kw_only=True):
    """No token of the chain is valid any more."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    reason: str


class SessionOpened(Event, frozen=True, kw_only=True):
    """A refresh token chain has begun."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    user: str
    client: str
    scope: str
    digest: str
    expires_at: datetime


class SessionRotated(Event, frozen=True, kw_only=True):
    """The chain goes on with a new digest."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    digest: str
    expires_at: datetime


class UserCreated(Event, frozen=True, kw_only=True):
    """A person can sign in."""

    CONTEXT = "tenancy"
    TOPIC = "tenancy.events"

    email: str
    name: str = ""
    password_hash: str


Commands = (
    AddMember
    | ChangeOrganisation
    | CloseSession
    | CreateApiKey
    | CreateOrganisation
    | CreateUser
    | OpenSession
    | PlaceOrganisation
    | RemoveMember
    | RevokeApiKey
    | RotateSession
    | SetSecondFactor
    | UseSecondFactor
)


Events = (
    ApiKeyCreated
    | ApiKeyRevoked
    | MemberAdded
    | MemberRemoved
    | OrganisationChanged
    | OrganisationCreated
    | OrganisationPlaced
    | SecondFactorSet
    | SecondFactorUsed
    | SessionClosed
    | SessionOpened
    | SessionRotated
    | UserCreated
)
