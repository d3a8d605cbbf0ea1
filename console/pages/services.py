"""The services as the console reaches them: through the client that anybody can install, with keys of its own."""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Final, Generic, TypeVar

from django.conf import settings

import orderpay
from servicekit.http.peer_keys import PeerKey

Found = TypeVar("Found")
NAMES: Final = {"orders": "order service", "payments": "payment service", "products": "product service"}
_ALL_NAMES: Final = {**NAMES, "mails": "notify service"}
# Seconds. Looking may not keep a page waiting; placing an order may take as long as the service allows itself.
LOOKING_S: Final = 4.0
ACTING_S: Final = 30.0
_HEX: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
# Who is signed in, for whom the request at hand is; nobody where the console is open.
person: ContextVar[str] = ContextVar("person", default="")
# The key of the form that is being done, so that what it made is found by the id of its request.
_form: ContextVar[str] = ContextVar("form", default="")
# A service's code: this key was used, with something else in the form.
KEY_REUSED: Final = "idempotency_key_reused"
_KEY_IN_USE: Final = "idempotency_key_in_use"


def names() -> Mapping[str, str]:
    """Whom the console can ask, by their names in the client: the notify service only where there is one."""
    return _ALL_NAMES if settings.NOTIFY_URL else NAMES


@cache
def looking() -> orderpay.Client:
    """For what is shown: a service that is away is away at once."""
    return _client(timeout_s=LOOKING_S, retries=0)


@cache
def acting() -> orderpay.Client:
    """For what changes something: repeated with the same key while no answer comes."""
    return _client(timeout_s=ACTING_S, retries=2)


def _client(*, timeout_s: float, retries: int) -> orderpay.Client:
    keys = {
        "orders": PeerKey(settings.ORDER_SERVICE_KEY).secret,
        "payments": PeerKey(settings.PAYMENT_SERVICE_KEY).secret,
        "products": PeerKey(settings.PRODUCT_SERVICE_KEY).secret,
        "mails": PeerKey(settings.NOTIFY_KEY).secret,
    }
    return orderpay.Client(
        _base(settings.ORDER_SERVICE_URL),
        _base(settings.PAYMENT_SERVICE_URL),
        _base(settings.PRODUCT_SERVICE_URL),
        keys,
        mails=_base(settings.NOTIFY_URL) or None,
        timeout_s=timeout_s,
        retries=retries,
        request_id=request_id,
    )


def request_id() -> str:
    """A request id that begins with the user's name, so that the services' logs and events have the name too."""
    key = _form.get()
    return _request_id(hashlib.sha256(key.encode()).hexdigest()[:32] if key else uuid.uuid4().hex)


def _request_id(unique: str) -> str:
    name = person.get().replace("@", "_at_")
    return f"{name}.{unique}" if name else unique


@contextmanager
def form(key: str) -> Iterator[str]:
    """Requests of a form; gives the id that they all have, by which `Operations.events` finds what it made."""
    token = _form.set(key)
    try:
        yield request_id()
    finally:
        _form.reset(token)


def is_settled(refused: orderpay.OrderPayError) -> bool:
    """Whether it is known that a form did nothing: then the same one, put right, is another and has another key."""
    if refused.code == _KEY_IN_USE:
        return False
    no = (orderpay.Invalid, orderpay.Declined, orderpay.Conflict, orderpay.NotFound, orderpay.Forbidden)
    return isinstance(refused, (*no, orderpay.NotAuthenticated))


def person_of(of_request: str) -> str:
    """Whom such an id says that it was for."""
    name, _, rest = of_request.rpartition(".")
    return name.replace("_at_", "@") if _HEX.fullmatch(rest) else ""


def _base(url: str) -> str:
    """Where the service is, without the path that the other services use."""
    return url.partition("/api/")[0]


@dataclass(frozen=True)
class Asked(Generic[Found]):
    """What was found, or the sentence that says why not."""

    value: Found | None
    problem: str = ""
    is_missing: bool = False


def ask(what: Callable[[], Found], *, of: str) -> Asked[Found]:
    """One question. A service that is away takes nothing with it but its own part of the page.

    Args:
        of: Whom, by its name in the client.
    """
    try:
        return Asked(what())
    except orderpay.NotFound as missing:
        return Asked(None, missing.message, is_missing=True)
    except (orderpay.NotAuthenticated, orderpay.Forbidden) as refused:
        return Asked(None, f"The {_ALL_NAMES[of]} does not let the console see this: {refused.message}.")
    except orderpay.Unavailable:
        return Asked(None, f"The {_ALL_NAMES[of]} does not answer. What it knows is not shown; it is tried again.")
    except orderpay.OrderPayError as problem:
        return Asked(None, f"The {_ALL_NAMES[of]} says: {problem.message}.")
