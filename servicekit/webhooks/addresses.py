"""Who may be reached: an address of the public Internet, or one in a network that the operator has named.

A URL comes from a client, and what it names is asked for from inside the operator's network; so what it names is looked
at as strictly as it can be (server-side request forgery, OWASP). A host is written in one way only; a name is resolved
once, every address that it has must be allowed, and the connection goes to one of those and to no other.

The networks are written out: `is_global` of `ipaddress` means another thing in each version of Python.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from servicekit import errors

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# As `socket.getaddrinfo`.
Resolve = Callable[..., Sequence[tuple[Any, ...]]]

# IANA's registries of special-purpose addresses, and what clouds have put among the public ones.
_NOT_PUBLIC: Final[Sequence[Network]] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared with a provider; Alibaba's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's metadata
            "169.254.0.0/16",  # link-local; the metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # Oracle's metadata
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",  # reserved, and broadcast
            "2001::/23",  # Teredo, and others of the IETF
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
# All of IPv6 that is given to anybody; what carries an IPv4 address in it is outside of it, or named above.
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
# What other programs take for a number, in whatever base, and so the host for an address.
_NUMERIC: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PLAIN: Final = re.compile(r"[!-~]+", re.ASCII)
_MAX_HOST_LENGTH: Final = 253
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class Refused(errors.Invalid):
    code = "webhook_url_refused"


@dataclass(frozen=True)
class Target:
    """A URL taken apart. `host` is a name in small letters, or an address in its one spelling."""

    scheme: str
    host: str
    port: int
    path: str  # with the query

    @property
    def authority(self) -> str:
        """As the header `Host` has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str, *, allowed: Sequence[Network] = ()) -> Target:
    """Take a URL apart. An address in it is looked at; a name is only when it is resolved.

    Plain http is for the networks in `allowed`, so for a name it is left to `resolve`.

    Raises:
        Refused: nobody may be asked there.
    """
    if not _PLAIN.fullmatch(url) or "\\" in url:
        raise Refused("A URL is written in printable ASCII, without blanks and backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise Refused(f"This is no URL: {problem}") from problem
    if parts.scheme not in _DEFAULT_PORTS:
        raise Refused("A URL begins with https://")
    if "@" in parts.netloc or "#" in url:
        raise Refused("A URL has no user, no password and no fragment here")
    if port == 0 or parts.netloc.endswith(":"):
        raise Refused("A port is 1 to 65535")
    host = _host_of(parts, is_full=not allowed)
    target = Target(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], _path_of(parts))
    address = _address_in(host)
    if address is not None:
        check(address, scheme=target.scheme, allowed=allowed)
    elif target.scheme != "https" and not allowed:
        raise Refused("A URL begins with https://")
    return target


def resolve(target: Target, *, allowed: Sequence[Network] = (), ask: Resolve = socket.getaddrinfo) -> Address:
    """The one address to connect to. Asks for a name once; all that it has must be allowed.

    Raises:
        Refused: one of its addresses may not be reached.
        OSError: nobody knows the name.
    """
    address = _address_in(target.host)
    if address is not None:
        check(address, scheme=target.scheme, allowed=allowed)
        return address
    answers = ask(target.host, target.port, type=socket.SOCK_STREAM)
    found = [ip_address(str(sockaddr[0])) for *_, sockaddr in answers]
    if not found:
        raise OSError(f"{target.host} has no address")
    for each in found:
        check(each, scheme=target.scheme, allowed=allowed)
    return found[0]


def check(address: Address, *, scheme: str, allowed: Sequence[Network]) -> None:
    """Raises Refused unless it is public, and asked by https; or in a network that is allowed."""
    if any(address.version == network.version and address in network for network in allowed):
        return
    if not is_public(address):
        raise Refused(f"{address} is no public address")
    if scheme != "https":
        raise Refused("A URL begins with https://")


def is_public(address: Address) -> bool:
    """Whether it is somebody's on the Internet, and not this network's own, whatever it is written in."""
    if isinstance(address, IPv6Address) and (address not in _PUBLIC_V6 or address.scope_id is not None):
        return False
    return not any(address.version == network.version and address in network for network in _NOT_PUBLIC)


def _host_of(parts: SplitResult, *, is_full: bool) -> str:
    """The host in its one spelling; `is_full`: a name must have a dot, as each has that everybody knows."""
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        try:
            address = IPv6Address(host)
        except ValueError as problem:
            raise Refused(f"{host} is no address") from problem
        if address.scope_id is not None:
            raise Refused("An address has no zone here")
        return str(address)
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError as problem:
            raise Refused(f"{host} is no address as it is usually written") from problem
    if len(host) > _MAX_HOST_LENGTH or (is_full and len(labels) < 2) or not all(map(_LABEL.fullmatch, labels)):
        raise Refused(f"{host or 'Nothing'} is no full name of a host")
    return host


def _path_of(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _address_in(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
