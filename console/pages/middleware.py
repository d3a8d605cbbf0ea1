"""What every page of the console has: a strict policy of content, a user, and what all pages show."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.pages import services
from console.pages.views import problems

# Nothing from anywhere else, and nothing that stands in the page itself: whatever gets into it stays text.
POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
)
_OPEN: Final = ("/login/", "/static/", "/health")


class SafetyMiddleware:
    """The browser's security headers, and a page where a view broke."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code == 405 and not response.content:  # by a decorator of Django's
            response = problems.not_that_way(request, response.headers["Allow"])
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return response

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse:
        return problems.answer_to(request, problem)


class SignedInMiddleware:
    """Nobody sees anything but the way in, unless the console is open."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.CONSOLE_AUTH and user_of(request) is None and not request.path_info.startswith(_OPEN):
            if request.headers.get("HX-Request"):  # the whole page goes there, not a part of it
                return HttpResponse(status=401, headers={"HX-Redirect": reverse("login")})
            return HttpResponseRedirect(f"{reverse('login')}?next={quote(request.get_full_path())}")
        services.person.set((settings.CONSOLE_AUTH and user_of(request)) or "")
        return self._get_response(request)


def user_of(request: HttpRequest) -> str | None:
    """Who is signed in; one that was taken out of the list is not."""
    name = request.session.get("user")
    return name if isinstance(name, str) and name in settings.CONSOLE_USERS else None


def every_page(request: HttpRequest) -> dict[str, Any]:
    """What the frame around each page shows."""
    has_session = hasattr(request, "session")
    return {
        "is_open": not settings.CONSOLE_AUTH,
        "user": user_of(request) if has_session and settings.CONSOLE_AUTH else None,
        "section": request.path_info.strip("/").partition("/")[0].partition(".")[0] or "shop",
        "notice": request.session.pop("notice", None) if has_session and "notice" in request.session else None,
    }
