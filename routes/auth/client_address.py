"""Tells which client a request comes from.

Rule: an address that a client could have written itself is never believed: X-Forwarded-For is
read from the right, and only as long as the one who reports it is a trusted proxy.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import TypeAlias

from aiohttp import web

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Chains of proxies are shorter; more is padding, and each costs time to parse.
HOPS_MAX = 16
# What a provider gives to one customer: whoever has one IPv6 address has all of its /64.
IPV6_PREFIX = 64
# A peer without an IP address: a Unix socket.
LOCAL = "local"


class ClientAddress:
    """Knows the trusted proxies."""

    def __init__(self, trusted_proxies: Iterable[Network] = ()) -> None:
        self._trusted: Sequence[Network] = tuple(trusted_proxies)

    def of(self, request: web.BaseRequest) -> str:
        """The client's IPv4 address, the /64 of its IPv6 address, or `local`."""
        client = _parse(request.remote or "")
        if client is None:
            return LOCAL
        if self._trusts(client):
            client = self._reported(request, client)
        return _whole(client)

    def _reported(self, request: web.BaseRequest, proxy: Address) -> Address:
        """The rightmost address that no trusted proxy has, as the trusted ones report it."""
        nearest = proxy
        for text in _hops(request):
            hop = _parse(text)
            if hop is None:
                return nearest
            nearest = hop
            if not self._trusts(hop):
                return nearest
        return nearest

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _hops(request: web.BaseRequest) -> Iterator[str]:
    lines = request.headers.getall("X-Forwarded-For", ())
    hops = ",".join(lines).rsplit(",", HOPS_MAX)[-HOPS_MAX:]
    return reversed(hops)


def _parse(text: str) -> Address | None:
    """An address, also one with a port as some proxies write it; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _whole(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    # The int drops a scope such as %eth0, which names an interface and no client.
    return str(IPv6Network((int(address), IPV6_PREFIX), strict=False))
