"""Scopes: `<resource prefix> cloudSystemId=<uuid or *>`; narrowed, never widened (contract, section 2). Pure."""

from __future__ import annotations

import msgspec

from api.nx.wire import known_id

SYSTEM = "cloudSystemId="
HOSTS = ("https://api.sclbl.nxvms.com", "https://cloud.networkoptix.com")
"""Resources that clients of the original ask for by name; they mean this service."""


class Unreadable(ValueError):
    """The text is not a scope."""


class Scope(msgspec.Struct, frozen=True):
    """Neither set: everything. `system` is a site id or `*`."""

    prefix: str | None = None
    system: str | None = None

    @property
    def site(self) -> str | None:
        """The only site that is seen."""
        return None if self.system == "*" else self.system

    def reaches(self, public_url: str, api: str) -> bool:
        """Whether a token of this scope opens the API. One for a site alone is for that site's own server."""
        if self.prefix is None:
            return self.site is None
        return any(within(f"{host}/{api}", self.prefix) for host in (public_url.rstrip("/"), *HOSTS))

    def holds(self, other: Scope) -> bool:
        """Whether `other` asks for no more than this."""
        place = self.prefix is None or (other.prefix is not None and within(other.prefix, self.prefix))
        return place and (self.site is None or self.site == other.system)


def within(resource: str, prefix: str) -> bool:
    return resource == prefix or resource.startswith(prefix + "/")


def parse(text: str) -> Scope:
    """Reads a scope.

    Errors: Unreadable.
    """
    prefix = system = None
    for part in text.split():
        if part.startswith(SYSTEM):
            value = part.removeprefix(SYSTEM)
            system = value if value == "*" else known_id(value)
            if system is None:
                raise Unreadable(f"{SYSTEM} takes a site id or *")
        elif part.startswith(("https://", "http://")) and prefix is None:
            prefix = part.rstrip("/")
        else:
            raise Unreadable(f"{part[:100]} is no resource prefix")
    return Scope(prefix, system)
