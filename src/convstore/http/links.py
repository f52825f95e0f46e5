"""The absolute addresses that answers carry: ``Location``, ``href``, pages."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohttp import web

from convstore.errors import ConfigError
from convstore.http.keys import BACKEND, PROXIES, VERSION

_DEFAULT_PORTS = {"http": "80", "https": "443"}


def api_url(request: web.Request) -> str:
    """Give the address of the API as the client called it, without a slash at its end: ``https://host/demo/api/26``.

    The version segment is kept (contract section 1.3).
    """
    version = request[VERSION]
    return f"{context_url(request)}/api{f'/{version}' if version else ''}"


def context_url(request: web.Request) -> str:
    """Give the address of this server with its context path: ``https://host/demo``."""
    return origin(request) + request.app[BACKEND].settings.context_path


def networks(addresses: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read the addresses and networks (CIDR) of the proxies whose word is taken.

    Raises:
        ConfigError: one is neither an address nor a network.
    """
    try:
        return tuple(ip_network(address) for address in addresses)
    except ValueError as error:
        raise ConfigError(f"trusted-proxies: {error}") from error


def origin(request: web.Request) -> str:
    """Give scheme, host and port; ``X-Forwarded-*`` is believed only from a configured proxy (contract section 9.1)."""
    scheme, host = request.scheme, request.host
    if _through_proxy(request):
        forwarded = _first(request, "X-Forwarded-Proto").lower()
        scheme = forwarded if forwarded in _DEFAULT_PORTS else scheme
        host = _first(request, "X-Forwarded-Host") or host
        port = _first(request, "X-Forwarded-Port")
        if port.isdecimal():
            host = f"{_without_port(host)}:{port}"
    return f"{scheme}://{host.removesuffix(':' + _DEFAULT_PORTS[scheme])}"


def _through_proxy(request: web.Request) -> bool:
    proxies = request.app[PROXIES]
    if not proxies or request.remote is None:
        return False
    try:
        remote = ip_address(request.remote)
    except ValueError:  # a Unix socket has no address
        return False
    return any(remote in network for network in proxies)


def _first(request: web.Request, name: str) -> str:
    """Give the value that the proxy nearest to the client wrote."""
    return request.headers.get(name, "").partition(",")[0].strip()


def _without_port(host: str) -> str:
    """Cut the port off; an IPv6 address stands in brackets and has colons of its own."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
