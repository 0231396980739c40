"""Where a delivery may go: the URL's form, the name, and every address behind it. Pure.

`check` reads a URL with the parser that also sends it (yarl, of aiohttp) and gives it back in one spelling; `permits`
judges an address and is asked again at each connect, so that a name that moved is caught.
"""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

import msgspec
from yarl import URL

Address = IPv4Address | IPv6Address
Reason = Literal["malformed", "scheme", "user_info", "fragment", "port", "host", "address"]

LONGEST = 2048
FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\]|[\u2028\u2029\ufeff]")
NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])\Z")
NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\Z")
AUTHORITY = re.compile(r"(?<=//)[^/?#]*|\Z")
PRIVATE_ENDINGS = ("localhost", "local", "internal", "onion")

REFUSED4 = tuple(
    ip_network(range)
    for range in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
GLOBAL6 = ip_network("2000::/3")
REFUSED6 = tuple(ip_network(range) for range in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's choices. `loopback` also lets http and any port through, to this machine only."""

    ports: frozenset[int] = frozenset({443, 8443})
    loopback: bool = False
    own_names: frozenset[str] = frozenset()


class Target(msgspec.Struct, frozen=True):
    """A URL that may be called; `local` marks this machine, which only the operator's switch lets through."""

    url: str
    host: str
    port: int
    local: bool


class Fault(msgspec.Struct, frozen=True):
    """Why a URL may not be called."""

    reason: Reason
    detail: str


def check(text: str, policy: Policy) -> Target | Fault:
    """The target that `text` names, before any name is resolved."""
    if len(text) > LONGEST or FORBIDDEN.search(text):
        return Fault("malformed", f"must be a URL of at most {LONGEST} characters without blanks or backslashes")
    try:
        url = URL(text)
        port, host = url.port, (url.raw_host or "").lower().removesuffix(".")
    except ValueError:
        return Fault("malformed", "must be an absolute https URL")
    if url.scheme not in ("http", "https") or not host or port is None:
        return Fault("scheme", "must be an absolute https URL")
    if "@" in AUTHORITY.search(text)[0]:  # type: ignore[index]
        return Fault("user_info", "must not carry a user name or password")
    if url.raw_fragment or "#" in text:
        return Fault("fragment", "must not carry a fragment")
    return judge(url, host, port, policy)


def judge(url: URL, host: str, port: int, policy: Policy) -> Target | Fault:
    """Host, scheme and port, once the form is right."""
    address = literal(host)
    local = policy.loopback and (host == "localhost" or (address is not None and unwrapped(address).is_loopback))
    if not local:
        if address is None and not public_name(host, policy):
            return Fault("host", "must name a public host")
        if address is not None and not permits(address):
            return Fault("address", "must not point to a private or reserved address")
        if url.scheme != "https":
            return Fault("scheme", "must use https")
        if port not in policy.ports:
            return Fault("port", f"port must be one of {', '.join(map(str, sorted(policy.ports)))}")
    if not 0 < port < 65536:
        return Fault("port", "port must be between 1 and 65535")
    shown = host if address is None else str(address)
    spelt = URL.build(
        scheme=url.scheme,
        host=f"[{shown}]" if ":" in shown else shown,
        port=None if port == (443 if url.scheme == "https" else 80) else port,
        path=url.raw_path or "/",
        query_string=url.raw_query_string,
        encoded=True,
    )
    return Target(str(spelt), shown, port, local)


def literal(host: str) -> Address | None:
    """The address that a host spells out, in whatever form a resolver would take: decimal, octal, hex, short, IPv6."""
    if NUMERIC.match(host):
        try:
            return IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    try:
        return ip_address(host)
    except ValueError:
        return None


def public_name(host: str, policy: Policy) -> bool:
    """A dotted name that is neither ours nor of a kind that only resolves inside, and no number."""
    return (
        NAME.match(host) is not None
        and host.rsplit(".", 1)[-1] not in PRIVATE_ENDINGS
        and host not in policy.own_names
        and NUMERIC.match(host) is None
    )


def permits(address: Address, *, local: bool = False) -> bool:
    """May a connection go to this address? `local`: the target is this machine, so only its loopback may answer."""
    bare = unwrapped(address)
    if local:
        return bare.is_loopback
    if isinstance(bare, IPv4Address):
        return not any(bare in range for range in REFUSED4)
    return bare.scope_id is None and bare in GLOBAL6 and not any(bare in range for range in REFUSED6)


def unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv4-mapped IPv6 one."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
