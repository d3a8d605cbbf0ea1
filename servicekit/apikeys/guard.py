"""Who may do what: each request of the API is held against the key that it came with, after RFC 6750."""

import math
from typing import Any, Final

from django.conf import settings
from rest_framework.permissions import BasePermission

from servicekit import errors
from servicekit.apikeys.ring import Key, Ring
from servicekit.observability import actor
from servicekit.web.access import ANY_KEY, PUBLIC
from servicekit.web.messages import RateLimit, Request

_SCHEME: Final = "bearer "
_IN_META: Final = "HTTP_AUTHORIZATION"
# No key is longer, and none is looked up that is.
_MAX_SECRET_LENGTH: Final = 200


class NoKey(errors.Unauthenticated):
    code = "not_authenticated"

    def __init__(self) -> None:
        super().__init__("An API key is needed: Authorization: Bearer <key>")


class UnknownKey(errors.Unauthenticated):
    code = "invalid_key"
    # As RFC 6750 calls it.
    challenge = 'error="invalid_token"'

    def __init__(self) -> None:
        super().__init__("This API key is unknown, expired or revoked")


class MissingScope(errors.Forbidden):
    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This API key lacks the scope {scope}", scope=scope)
        self.challenge = f'error="insufficient_scope", scope="{scope}"'


class TooMany(errors.TooManyRequests):
    code = "too_many_requests"

    def __init__(self, left: RateLimit) -> None:
        super().__init__("This API key has used up its limit", retry_after_s=max(1, math.ceil(left.reset_s)))


ring: Final = Ring()


def admit(request: Request, scopes: Any) -> None:
    """Let a request in, or raise why not. The actor of all that it does is known from here on.

    Args:
        scopes: What is needed for each method. One that has none is not there, which its view says.

    Raises:
        NoKey, UnknownKey: 401.
        MissingScope: 403.
        TooMany: 429.
    """
    if not settings.API_AUTH:
        return
    scope = scopes.get(request.method, PUBLIC)
    if scope == PUBLIC:
        return
    key = _key_of(request)
    actor.act_as(key.name)
    if key.bucket is not None:
        request.rate_limit = left = key.bucket.take()
        if not left.is_allowed:
            raise TooMany(left)
    if scope != ANY_KEY and scope not in key.scopes:
        raise MissingScope(scope)


def _key_of(request: Request) -> Key:
    given: str = request.META.get(_IN_META, "")
    if not given:
        raise NoKey
    secret = given[len(_SCHEME) :].strip()
    if given[: len(_SCHEME)].lower() != _SCHEME or not secret.isascii() or len(secret) > _MAX_SECRET_LENGTH:
        raise UnknownKey
    key = ring.find(secret)
    if key is None:
        raise UnknownKey
    return key


class Guard(BasePermission):
    """DRF asks its permission classes; the fast path asks `admit` itself."""

    def has_permission(self, request: Any, view: Any) -> bool:
        admit(request, getattr(view, "scopes", {}))
        return True
