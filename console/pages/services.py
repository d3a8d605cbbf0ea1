"""The services as the console reaches them: through the client that anybody can install, with keys of its own."""

import re
import uuid
from collections.abc import Callable, Mapping
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
    """An id that begins with who asked: so the services' logs and events say it, whoever asked whom on the way."""
    name = person.get().replace("@", "_at_")
    return f"{name}.{uuid.uuid4().hex}" if name else uuid.uuid4().hex


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
