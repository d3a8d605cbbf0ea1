"""Signing in with a password: Django's own way, for as many tries as there may be."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from servicekit.signin import tries


class LimitedBackend(ModelBackend):
    """Raises TooManyTries, which the middleware answers, before it hashes anything."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if request is None or username is None or password is None:  # a test, or another way to sign in
            return super().authenticate(request, username, password, **kwargs)
        begun = tries.begin(name=username, address=request.META.get("REMOTE_ADDR", ""))
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None:
            begun.succeeded()
        return user
