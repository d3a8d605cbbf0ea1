"""Addresses as they may be shown."""

from collections.abc import Iterable
from email.utils import parseaddr


def masked(addresses: Iterable[str]) -> str:
    """`o***@example.org, s***@localhost`: enough to recognise an address that one knows."""
    return ", ".join(map(_masked, addresses))


def _masked(address: str) -> str:
    local, at, domain = parseaddr(address)[1].rpartition("@")
    return f"{local[:1]}***{at}{domain}" if at else "***"
