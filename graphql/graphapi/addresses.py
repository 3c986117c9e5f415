"""Which address a request came from, behind which proxies, and what counts as one address. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(listed: str) -> tuple[Network, ...]:
    """Return the networks of a list separated by commas; raises ValueError for what is no network."""
    return tuple(ipaddress.ip_network(part.strip()) for part in listed.split(",") if part.strip())


def client_address(peer: str | None, headers: Mapping[str, str], trusted: Collection[Network]) -> str:
    """Return the address that a request came from.

    The header X-Forwarded-For counts only as far as trusted proxies wrote it: from the right, the first
    address that is none of theirs. Everybody can write the rest.
    """
    if peer is None or not _trusted(peer, trusted):
        return peer or ""
    address = peer
    for part in reversed(headers.get("x-forwarded-for", "").split(",")):
        hop = _without_port(part.strip())
        if not hop or _parsed(hop) is None:
            break
        address = hop
        if not _trusted(hop, trusted):
            break
    return address


@lru_cache(maxsize=1_000)
def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _trusted(address: str, trusted: Collection[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _without_port(hop: str) -> str:
    """Return the address of ``192.0.2.1:4711`` or ``[2001:db8::1]:4711``, as some proxies write it."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def unit_of(address: str) -> str:
    """Return what counts as one address: a whole /64 of IPv6, because one subscriber has all of it."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed or address)
