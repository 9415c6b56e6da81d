"""Finds the address of the client that a request comes from.

Rule: an address that a client could have written itself is never believed. X-Forwarded-For is
read from the right, and only as long as the address was reported by a trusted proxy.
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

# Chains of proxies are shorter; more entries are padding, and each costs time to parse.
HOPS_MAX = 16
# Providers give each customer a /64: a client with one address in it has all of them.
IPV6_PREFIX = 64
# The address of a peer on a Unix socket, which has no IP address.
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
        """The rightmost address that is not a trusted proxy, as trusted proxies report it."""
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
    """An address, with a port as some proxies write it or without; None for anything else."""
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
    # Converting to int drops a scope such as %eth0, which names an interface and not a client.
    return str(IPv6Network((int(address), IPV6_PREFIX), strict=False))
