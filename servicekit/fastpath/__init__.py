"""The fast path: every override of the inside of Django, DRF and `requests`, one file each, and the switch for them.

Without them everything works the same, only slower: `FASTPATH=off` runs plain Django, DRF and `requests`. A file says
what it replaces and why; whoever does not want it any more deletes the file and its line below. Nothing else touches a
private name of a framework (docs/adr/0026; `test_fastpath.py` holds that).

`FASTPATH=all-but:views,sqlite` leaves some out: `benchmarks/fastpath.py` measures each with it.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

ON: Final = "on"
OFF: Final = "off"
ALL_BUT: Final = "all-but:"

# Each is a module here, with a function `install`.
TRICKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "calls": "calls to peers by sockets and httptools of our own, not through urllib3",
        "connections": "Django's table of connections by thread, without a look for an event loop",
        "handler": "the WSGI handler without prefixes and its own log, and routes that are kept",
        "headers": "headers of ours put into an answer without encoding each",
        "liveness": "a database server's connection looked at, not asked, before it is used again",
        "serializers": "one instance of each serializer, its fields picked out once, bounds in one look",
        "signals": "no receivers of Django's around a request, where there is nothing for them",
        "sqlite": "statements and transactions straight to SQLite's driver",
        "views": "DRF's views without negotiation, users, permissions, throttles and versions",
    }
)

_installed: set[str] = set()
# Each class or module, and the name in it, that was replaced.
replaced: Final[list[tuple[Any, str]]] = []


def chosen(said: str) -> frozenset[str]:
    """The tricks that a value of FASTPATH means. Raises ImproperlyConfigured."""
    if said == OFF:
        return frozenset()
    left_out = frozenset(said.removeprefix(ALL_BUT).split(",")) if said.startswith(ALL_BUT) else frozenset[str]()
    if (said != ON and not left_out) or left_out - set(TRICKS):
        raise ImproperlyConfigured(
            f'Environment variable "FASTPATH" must be {ON}, {OFF}, or {ALL_BUT} and some of {",".join(TRICKS)},'
            f" not {said!r}"
        )
    return frozenset(TRICKS) - left_out


def install() -> None:
    """Put in what `settings.FASTPATH` says. Once for a process, before its first request."""
    for trick in sorted(chosen(settings.FASTPATH) - _installed):
        import_module(f"{__name__}.{trick}").install()
        _installed.add(trick)


def is_on(trick: str) -> bool:
    """Whether this one is in."""
    return trick in _installed


def put(owner: Any, **members: Any) -> None:
    """Replace members of a class or a module."""
    for name, member in members.items():
        setattr(owner, name, member)
        replaced.append((owner, name))
