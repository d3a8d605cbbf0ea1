"""What a caller gives, looked at before anything is sent: what cannot be sent is refused at once, by its name."""

import math
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

from orderpay.errors import InvalidArgument

MAX_KEY_LENGTH: Final = 255
# Segments by which a path leads elsewhere; quoted they do as well.
_ELSEWHERE: Final = frozenset({".", ".."})


def idempotency_key(given: object) -> str:
    """A key as it is sent: a UUID as its text, a new one for None."""
    if given is None:
        return str(uuid4())
    if isinstance(given, UUID):
        return str(given)
    if not isinstance(given, str):
        raise TypeError(f"idempotency_key must be a str or a UUID, not {_kind(given)}")
    is_sendable = given.isascii() and given.isprintable() and given == given.strip()
    if not is_sendable or not 1 <= len(given) <= MAX_KEY_LENGTH:
        raise InvalidArgument(
            f"idempotency_key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters, without blanks around them;"
            " None has one made"
        )
    return given


def base_url(name: str, given: object) -> str:
    """Where a service is, without a slash at its end."""
    if not isinstance(given, str):
        raise TypeError(f"{name} must be a URL, not {_kind(given)}")
    try:
        parts = urlsplit(given)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not given.isprintable() or any(sign in given for sign in " ?#\\"):
        raise InvalidArgument(f"{name} must be a URL such as http://localhost:8000, not {given!r}")
    return given.rstrip("/")


def api_key(name: str, given: object) -> str:
    """A key by which a service knows its caller; none for None."""
    if given is None:
        return ""
    if not isinstance(given, str):
        raise TypeError(f"key of {name} must be a str or a function that returns one, not {_kind(given)}")
    if not given.isascii() or not given.isprintable() or " " in given:  # which is not shown: it is a secret
        raise InvalidArgument(f"key of {name} must be printable ASCII without blanks: is there a line's end in it?")
    return given


def seconds(name: str, given: object) -> float:
    """How long something may take."""
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {_kind(given)}")
    if not (given > 0 and math.isfinite(given)):
        raise InvalidArgument(f"{name} must be a number of seconds above 0, not {given}")
    return given


def count(name: str, given: object) -> int:
    """How often something may be done, which may be never."""
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"{name} must be an int, not {_kind(given)}")
    if given < 0:
        raise InvalidArgument(f"{name} must be 0 or more, not {given}")
    return given


def request_id(given: object) -> str:
    """What goes into `X-Request-ID`."""
    if not isinstance(given, str):
        raise TypeError(f"request_id must return a str, not {_kind(given)}")
    if not given or not given.isascii() or not given.isprintable() or given != given.strip():
        raise InvalidArgument("request_id must return 1 to 128 letters, digits, dots, dashes and underscores")
    return given


def identifier(name: str, given: object) -> str | int:
    """An id for a body or a filter; it keeps its type, which the services answer with."""
    if isinstance(given, UUID):
        return str(given)
    if isinstance(given, bool) or not isinstance(given, (str, int)):
        raise TypeError(f"{name} must be a str, an int or a UUID, not {_kind(given)}")
    if isinstance(given, str):
        _text(name, given)
        if not given.strip():
            raise InvalidArgument(f"{name} must not be empty")
    return given


def identifiers(name: str, given: object) -> list[str]:
    """Several of them, as text."""
    return [str(identifier(name, each)) for each in _several(name, given)]


def texts(name: str, given: object) -> list[str]:
    """Several words; one alone is none, because it would be taken letter by letter."""
    found = _several(name, given)
    for each in found:
        if not isinstance(each, str):
            raise TypeError(f"{name} must have words only, not {_kind(each)}")
    return found


def path(template: str, **parts: object) -> str:
    """A path whose parameters are quoted: an id that is none cannot become another path."""
    return template.format(**{name: _segment(name, given) for name, given in parts.items()})


def lines(name: str, given: object) -> list[dict[str, Any]]:
    """Units by product id, as the services take them."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a mapping of product ids to units, not {_kind(given)}")
    return [{"product_id": product_id, "quantity": count} for product_id, count in given.items()]


def parameters(given: Mapping[str, Any]) -> dict[str, str | int | float]:
    """A query; what is None is not asked for."""
    found = {}
    for name, value in given.items():
        if isinstance(value, (Mapping, list, tuple)):
            raise TypeError(f"{name} must be one value, not {_kind(value)}")
        if value is not None:
            found[name] = ("true" if value else "false") if isinstance(value, bool) else sendable(name, value)
    return found


def sendable(name: str, given: Any) -> Any:
    """A value as JSON has it: amounts as exact text, which the services take like a number; moments in ISO 8601."""
    if given is None or isinstance(given, (bool, int)):
        return given
    if isinstance(given, str):
        return _text(name, given)
    if isinstance(given, (float, Decimal)):
        if not math.isfinite(given):
            raise InvalidArgument(f"{name} must be a number, not {given}")
        return format(given, "f") if isinstance(given, Decimal) else given
    if isinstance(given, (date, UUID)):  # a moment is a date, too
        return given.isoformat() if isinstance(given, date) else str(given)
    if isinstance(given, Mapping):
        return {str(key): sendable(name if name == "items" else str(key), each) for key, each in given.items()}
    if isinstance(given, (list, tuple)):
        return [sendable(name, each) for each in given]
    raise TypeError(f"{name} cannot be sent: it is {_kind(given)}")


def _segment(name: str, given: object) -> str:
    found = str(identifier(name, given))
    if found in _ELSEWHERE:
        raise InvalidArgument(f"{name} cannot be {found!r}, which leads elsewhere")
    return quote(found, safe="")


def _several(name: str, given: object) -> list[Any]:
    if isinstance(given, (str, bytes, bytearray, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} must be a list, not {_kind(given)}")
    return [*given]


def _text(name: str, given: str) -> str:
    try:
        given.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{name} must be text, without half a character") from None
    return given


def _kind(given: object) -> str:
    return type(given).__name__
