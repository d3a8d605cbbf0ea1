"""Sessions, users, messages, forms and the browser's security headers for the admin's pages only.

An API request has none of them, and looking for them costs as much as everything else that surrounds a view.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware

from servicekit.observability import actor
from servicekit.web.admin.paths import ADMIN_PATH


class AdminMiddleware:
    """Sends the admin's requests through Django's own middleware, and every other request past it.

    Not used with `ADMIN=off`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.ADMIN:
            raise MiddlewareNotUsed
        self._get_response = get_response
        framed = XFrameOptionsMiddleware(get_response)
        self._csrf = CsrfViewMiddleware(AuthenticationMiddleware(MessageMiddleware(framed)))
        self._admin = SecurityMiddleware(SessionMiddleware(self._csrf))

    def __call__(self, request: HttpRequest) -> Any:
        return (self._admin if _is_admins(request) else self._get_response)(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *arguments: Any) -> HttpResponseBase | None:
        """Django calls this of what is in `MIDDLEWARE`, and so not of the middleware in here."""
        if not _is_admins(request):
            return None
        actor.act_as(request.user.get_username() or actor.ANONYMOUS)
        return self._csrf.process_view(request, view, *arguments)


def _is_admins(request: HttpRequest) -> bool:
    return request.path_info.startswith(ADMIN_PATH)
