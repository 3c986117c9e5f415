"""Looks whether a web address answers, without being led to where only this machine can go (SSRF).

Only http and https on their own ports. A name is resolved once, every address it has must be public, and the
connection goes to the address that was checked: what a name resolves to a moment later does not matter.
Redirects are followed by hand and checked alike. Nothing of a page is read, no proxy is asked, nothing kept.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias

import httpx

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

AGENT: Final = "Spurwechsel-Verzeichnis (link check)"
PORTS: Final = {"http": 80, "https": 443}
REDIRECTS: Final = 5
"""How many redirects are followed."""
STEP_SECONDS: Final = 8.0
"""How long connecting, and waiting for an answer, may take each."""
TOTAL_SECONDS: Final = 25.0
"""How long one address may take with all its redirects."""

# Addresses of IPv6 in which one of IPv4 is hidden that nobody has looked at: 6to4, Teredo, NAT64.
_TUNNELS: Final = tuple(
    ipaddress.ip_network(network) for network in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")
)


class Reached(StrEnum):
    """What became of a look: it answers; it does not; no name resolves; or we do not go there."""

    ALIVE = "ALIVE"
    GONE = "GONE"
    UNREACHABLE = "UNREACHABLE"
    NOT_ASKED = "NOT_ASKED"


class _NotAllowed(Exception):
    """The address, or one it leads to, is none that we go to."""


def public(address: Address) -> bool:
    """Whether an address belongs to the public internet: none of this machine, this network, or a tunnel.

    >>> [public(ipaddress.ip_address(a)) for a in ("8.8.8.8", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return public(address.ipv4_mapped)
        if address.is_site_local or any(address in network for network in _TUNNELS):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class Guard:
    """Decides where a look may go: the public internet, and networks that were ``allowed`` besides.

    In allowed networks every port is open: they are for tests and for what an installation says itself.
    """

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def _is_allowed(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._allowed)

    async def resolve(self, host: str, port: int, usual: bool) -> Address:
        """Return the address to connect to; ``usual``: it is the scheme's own port.

        Raises _NotAllowed when any address of the name is none that we go to, OSError when it has none.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        if not addresses:
            raise OSError("no address")
        for address in addresses:
            if not (self._is_allowed(address) or (usual and public(address))):
                raise _NotAllowed
        return addresses[0]


async def look(url: str, guard: Guard) -> Reached:
    """Return whether an address answers: HEAD first, GET where HEAD is refused; never raises for an answer.

    An answer that asks to sign in, forbids or asks to wait is an answer. What fails is told apart: GONE is
    an answer of the server (404, 410, 5xx), UNREACHABLE none at all.
    """
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await _follow(url, guard)
    except (_NotAllowed, httpx.InvalidURL, UnicodeError):
        return Reached.NOT_ASKED
    except (TimeoutError, OSError, httpx.HTTPError):
        return Reached.UNREACHABLE


async def _follow(url: str, guard: Guard) -> Reached:
    target = httpx.URL(url)
    for _ in range(REDIRECTS + 1):
        status, location = await _ask("HEAD", target, guard)
        if status >= 400 or status < 200:
            status, location = await _ask("GET", target, guard)
        if location is not None and status in {301, 302, 303, 307, 308}:
            target = target.join(location)
            continue
        return Reached.GONE if status in {404, 410} or status >= 500 else Reached.ALIVE
    return Reached.GONE  # it leads in a circle


@lru_cache
def _trusted() -> ssl.SSLContext:
    """Return whom a connection trusts: reading all the authorities takes longer than asking."""
    return httpx.create_ssl_context(trust_env=False)


async def _ask(method: str, target: httpx.URL, guard: Guard) -> tuple[int, str | None]:
    """Send one request to the address that was checked; return status and where it leads."""
    scheme, host = target.scheme, target.raw_host.decode("ascii")
    if scheme not in PORTS or not host or target.userinfo:
        raise _NotAllowed
    port = target.port or PORTS[scheme]
    address = await guard.resolve(host, port, port == PORTS[scheme])
    pinned = target.copy_with(host=str(address))
    headers = {"host": target.netloc.decode("ascii"), "user-agent": AGENT, "accept": "*/*"}
    async with (
        httpx.AsyncClient(
            verify=_trusted(), timeout=STEP_SECONDS, follow_redirects=False, trust_env=False, max_redirects=0
        ) as client,
        client.stream(method, pinned, headers=headers, extensions={"sni_hostname": host}) as response,
    ):
        # the body is not read: closing the stream ends it, however long it is
        return response.status_code, response.headers.get("location")
