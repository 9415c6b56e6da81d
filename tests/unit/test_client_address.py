"""Which address counts as the client's."""

from ipaddress import ip_network
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from routes.auth.client_address import HOPS_MAX, ClientAddress

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")]


def client(peer: object, *forwarded: str, trusted: bool = True) -> str:
    """The client of a request from `peer` with these X-Forwarded-For headers."""
    transport = Mock()
    transport.get_extra_info.side_effect = lambda name, default=None: (
        peer if name == "peername" else default
    )
    headers = CIMultiDict([("X-Forwarded-For", line) for line in forwarded])
    request = make_mocked_request("GET", "/", headers, transport=transport)
    return ClientAddress(PROXIES if trusted else ()).of(request)


PROXY = ("10.0.0.1", 4711)
CASES: dict[str, tuple[tuple[object, ...], str]] = {
    "a peer": ((("203.0.113.7", 1),), "203.0.113.7"),
    "a peer that claims to be a proxy": ((("203.0.113.7", 1), "192.0.2.1"), "203.0.113.7"),
    "behind a proxy": ((PROXY, "192.0.2.1"), "192.0.2.1"),
    "behind two proxies": ((PROXY, "192.0.2.1, 10.0.0.2"), "192.0.2.1"),
    "what the client wrote itself": ((PROXY, "8.8.8.8, 192.0.2.1"), "192.0.2.1"),
    "in two headers": ((PROXY, "8.8.8.8", "192.0.2.1"), "192.0.2.1"),
    "a proxy that says nothing": ((PROXY,), "10.0.0.1"),
    "a proxy that says nonsense": ((PROXY, "unknown"), "10.0.0.1"),
    "nonsense before a proxy": ((PROXY, "nonsense, 10.0.0.2"), "10.0.0.2"),
    "nothing but proxies": ((PROXY, "10.0.0.3, 10.0.0.2"), "10.0.0.3"),
    "with a port": ((PROXY, "192.0.2.1:8080"), "192.0.2.1"),
    "IPv6 stands for its network": ((PROXY, "2001:db8:1:2:3::4"), "2001:db8:1:2::/64"),
    "IPv6 with a port": ((PROXY, "[2001:db8:1:2:3::4]:80"), "2001:db8:1:2::/64"),
    "an IPv6 proxy": ((("2001:db8:ffff::1", 1, 0, 0), "192.0.2.1"), "192.0.2.1"),
    "IPv4 in IPv6": ((("::ffff:203.0.113.7", 1, 0, 0),), "203.0.113.7"),
    "a proxy as IPv4 in IPv6": ((("::ffff:10.0.0.1", 1, 0, 0), "192.0.2.1"), "192.0.2.1"),
    "loopback": ((("::1", 1, 0, 0),), "::/64"),
    "a scope": ((("fe80::1%eth0", 1, 0, 3),), "fe80::/64"),
    "a Unix socket": (("",), "local"),
    "no peer": ((None,), "local"),
}


@pytest.mark.parametrize(("given", "found"), CASES.values(), ids=CASES.keys())
def test_the_client_is_the_last_whom_nobody_trusted_reports(
    given: tuple[object, ...], found: str
) -> None:
    peer, *forwarded = given
    assert client(peer, *map(str, forwarded)) == found


def test_without_trusted_proxies_the_header_is_not_read() -> None:
    assert client(PROXY, "192.0.2.1", trusted=False) == "10.0.0.1"


def test_hops_past_the_bound_are_not_read() -> None:
    hops = ", ".join(["10.0.0.2"] * (HOPS_MAX - 1))
    assert client(PROXY, f"192.0.2.1, {hops}") == "192.0.2.1"
    assert client(PROXY, f"192.0.2.1, 10.0.0.2, {hops}") == "10.0.0.2"
