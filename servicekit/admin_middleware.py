"""Sessions, users, messages, forms and the browser's security headers for the admin's pages only.

An API request has none of them, and looking for them costs as much as everything else that surrounds a view.
"""

from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware

ADMIN_PATH: Final = "/admin/"


class _AdminOnly:
    """Put before a middleware class: passes every other request by."""

    get_response: Callable[[HttpRequest], Any]

    def __call__(self, request: HttpRequest) -> Any:
        if not request.path.startswith(ADMIN_PATH):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]  # the middleware class that this is put before


class AdminSecurityMiddleware(_AdminOnly, SecurityMiddleware):
    pass


class AdminCsrfMiddleware(_AdminOnly, CsrfViewMiddleware):
    pass


class AdminFrameMiddleware(_AdminOnly, XFrameOptionsMiddleware):
    pass


class AdminSessionMiddleware(_AdminOnly, SessionMiddleware):
    pass


class AdminAuthenticationMiddleware(_AdminOnly, AuthenticationMiddleware):
    pass


class AdminMessageMiddleware(_AdminOnly, MessageMiddleware):
    pass
