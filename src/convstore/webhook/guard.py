"""Keeps receivers of webhooks from leading us to where only we may go: our own machine, our network, its metadata.

What is checked is the address of each connection, when it is made, whatever was resolved before: a name that changes
its mind in between (DNS rebinding) changes nothing.
"""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver

Address: TypeAlias = IPv4Address | IPv6Address

# In these, an IPv4 address stands in the last 32 bits: NAT64 (RFC 6052), IPv4-translated addresses (RFC 2765), and what
# RFC 4291 section 2.5.5.1 gave up.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_EMBEDDING: Final = (_NAT64, IPv6Network("::ffff:0:0:0/96"), IPv6Network("::/96"))
# All that is given to anybody for the whole internet (IANA, IPv6 address space). Python calls more global than that, as
# site-local addresses and those for segment routing within one network (RFC 9602).
_UNICAST: Final = IPv6Network("2000::/3")
# Not public whatever Python's release says: RFC 6890 section 2.2.2 (metadata at Oracle), what every machine at Azure
# reaches its host's agent by, and NAT64 within a network (RFC 8215).
_NOT_PUBLIC: Final = tuple(map(ip_network, ("192.0.0.0/24", "168.63.129.16/32", "64:ff9b:1::/48")))
# Seconds that a connection is kept for the next event; most servers keep it for longer.
_KEEP_ALIVE: Final = 10.0


class AddressRefused(Exception):
    """A receiver has an address that may not be called."""


class Guard:
    """Knows which addresses may be called: public ones, and those of networks that an operator has named."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Allow these networks (CIDR) too.

        Raises:
            ValueError: one is none.
        """
        self._networks = [ip_network(network) for network in networks]

    def allows(self, text: str) -> bool:
        """Tell whether the receiver at this address may be called; ``text`` may end with a zone (RFC 4007)."""
        address = ip_address(text)
        meant = _meant(address)
        if any(address in network or meant in network for network in self._networks):
            return True
        return _is_public(address) and _is_public(meant)

    def check(self, text: str) -> None:
        """Refuse an address that may not be called.

        Raises:
            AddressRefused: this is one.
        """
        if not self.allows(text):
            raise AddressRefused

    def session(self, *, connections: int, timeout: float, resolver: AbstractResolver | None = None) -> ClientSession:
        """Open a session that connects to what is allowed, and knows no proxies, no cookies and no decompression.

        ``timeout``: seconds for one request as a whole.
        """
        connector = TCPConnector(
            limit=connections,
            resolver=resolver,
            use_dns_cache=False,
            keepalive_timeout=_KEEP_ALIVE,
            # One address after the other, so that one that is refused ends it.
            happy_eyeballs_delay=None,
            socket_factory=self._socket,
        )
        return ClientSession(
            connector=connector,
            timeout=ClientTimeout(total=timeout),
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )

    def _socket(
        self, info: tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
    ) -> socket.socket:
        """Make the socket that is connected to this very address next."""
        family, kind, protocol, _, address = info
        self.check(str(address[0]))
        return socket.socket(family, kind, protocol)


def _is_public(address: Address) -> bool:
    """Tell whether an address is one of the whole internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address not in _UNICAST and address not in _NAT64:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_PUBLIC)


def _meant(address: Address) -> Address:
    """Give the IPv4 address that an IPv6 address stands for, if it does for one."""
    if not isinstance(address, IPv6Address):
        return address
    if (embedded := address.ipv4_mapped or address.sixtofour) is not None:
        return embedded
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
