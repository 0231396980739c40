"""Where a delivery may go: the contract's ranges, every spelling of a number, names that only resolve inside."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from streams.webhooks.addresses import REFUSED4, Fault, Policy, Target, check, literal, permits

PRODUCTION, LOCAL = Policy(own_names=frozenset({"sightlog.example.com"})), Policy(loopback=True)
REFUSED6 = (
    *("::/128", "::1/128", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "5f00::/16", "fc00::/7", "fe80::/10"),
    *("fec0::/10", "ff00::/8", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "::ffff:0:0/96"),
)


def reason(url: str, policy: Policy = PRODUCTION) -> str | None:
    found = check(url, policy)
    return found.reason if isinstance(found, Fault) else None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/"),
        ("https://HOOKS.Example.COM./a%20b?x=1&y=%26", "https://hooks.example.com/a%20b?x=1&y=%26"),
        ("https://hooks.example.com:443/a", "https://hooks.example.com/a"),
        ("https://hooks.example.com:8443/a", "https://hooks.example.com:8443/a"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://8.8.8.8/a", "https://8.8.8.8/a"),
        ("https://134744072/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"),
    ],
)
def test_what_may_be_called(url: str, shown: str) -> None:
    found = check(url, PRODUCTION)
    assert isinstance(found, Target), found
    assert found.url == shown
    assert check(found.url, PRODUCTION) == found


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.com/", "scheme"),
        ("ftp://hooks.example.com/", "scheme"),
        ("//hooks.example.com/", "scheme"),
        ("hooks.example.com", "scheme"),
        ("https://", "malformed"),
        ("https://user@hooks.example.com/", "user_info"),
        ("https://user:pass@hooks.example.com/", "user_info"),
        ("https://@hooks.example.com/", "user_info"),
        ("https://hooks.example.com/#top", "fragment"),
        ("https://hooks.example.com/#", "fragment"),
        ("https://hooks.example.com:80/", "port"),
        ("https://hooks.example.com:22/", "port"),
        ("https://hooks.example.com:99999/", "malformed"),
        ("https://hooks.example.com\\@10.0.0.1/", "malformed"),
        ("https://hooks.example.com/\n", "malformed"),
        ("https://hooks.example.com/a b", "malformed"),
        ("https://hooks.example.com/" + "a" * 2048, "malformed"),
        ("https://localhost/", "host"),
        ("https://localhost./", "host"),
        ("https://a.localhost/", "host"),
        ("https://printer.local/", "host"),
        ("https://metadata.google.internal/", "host"),
        ("https://abc.onion/", "host"),
        ("https://intranet/", "host"),
        ("https://sightlog.example.com/", "host"),
        ("https://999.999.999.999/", "host"),
        ("https://1.2.3.4.5/", "host"),
        ("https://exa%6dple.com/", "malformed"),
        ("https://127.1/", "address"),
        ("https://127。0。0。1/", "address"),
        ("https://0x7f000001/", "address"),
        ("https://0x7f.1/", "address"),
        ("https://017700000001/", "address"),
        ("https://2130706433/", "address"),
        ("https://0/", "address"),
        ("https://169.254.169.254/latest/meta-data", "address"),
        ("https://[::1]/", "address"),
        ("https://[::ffff:127.0.0.1]/", "address"),
        ("https://[64:ff9b::a9fe:a9fe]/", "address"),
        ("https://[fe80::1%25eth0]/", "address"),
    ],
)
def test_what_may_not(url: str, why: str) -> None:
    found = reason(url)
    assert found == why or (why in ("malformed", "address") and found in ("malformed", "address", "host", "scheme")), (
        found
    )


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:9988/h", True),
        ("http://localhost:1/h", True),
        ("http://[::1]:9988/", True),
        ("https://hooks.example.com/", False),
    ],
)
def test_the_operators_switch_lets_this_machine_through(url: str, local: bool) -> None:
    found = check(url, LOCAL)
    assert isinstance(found, Target)
    assert found.local is local


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/", "http://10.0.0.1/", "http://169.254.169.254/", "https://0.0.0.0/"]
)
def test_and_nothing_else(url: str) -> None:
    assert isinstance(check(url, LOCAL), Fault)


@given(st.sampled_from(REFUSED4), st.data())
def test_no_address_of_a_refused_range_passes_in_any_spelling(network: object, data: st.DataObject) -> None:
    net = ip_network(str(network))
    number = data.draw(st.integers(int(net.network_address), int(net.broadcast_address)))
    address = IPv4Address(number)
    assert not permits(address)
    assert not permits(IPv6Address(f"::ffff:{address}"))
    for spelling in (str(number), hex(number), f"0{number:o}", str(address), f"{number >> 24}.{number & 0xFFFFFF}"):
        assert literal(spelling) == address
        assert isinstance(check(f"https://{spelling}/", PRODUCTION), Fault)


@given(st.sampled_from(REFUSED6), st.data())
def test_no_address_outside_global_unicast_passes(network: str, data: st.DataObject) -> None:
    net = ip_network(network)
    number = data.draw(st.integers(int(net.network_address), int(net.broadcast_address)))
    mapped = IPv6Address(number).ipv4_mapped
    assert not permits(IPv6Address(number)) or (mapped is not None and permits(mapped))


@given(st.ip_addresses(v=6))
def test_only_global_unicast_of_version_six(address: IPv6Address) -> None:
    if permits(address):
        mapped = address.ipv4_mapped
        assert permits(mapped) if mapped else address in ip_network("2000::/3")


def test_this_machine_is_only_its_loopback() -> None:
    assert permits(ip_address("127.0.0.1"), local=True)
    assert not permits(ip_address("10.0.0.1"), local=True)
    assert not permits(ip_address("8.8.8.8"), local=True)


@given(st.text(max_size=60))
@example("%31%32%37.0.0.1")
@example("127.0.0.1%00.example.com")
@example("[::]")
@example("0.»")
def test_whatever_is_accepted_is_what_the_sender_reads(text: str) -> None:
    """The accepted URL is its own canonical form, and its host is a public name or a permitted address."""
    found = check(f"https://{text}/", PRODUCTION)
    if isinstance(found, Target):
        sent = URL(found.url, encoded=True)
        assert sent.raw_host == found.host
        assert check(found.url, PRODUCTION) == found
        try:
            assert permits(IPv4Address(socket.inet_aton(found.host)))
        except OSError:
            assert "." in found.host or ":" in found.host
