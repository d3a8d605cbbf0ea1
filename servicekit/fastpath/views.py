"""DRF's views without the users, permissions, throttles and versions that nothing here has.

Replaces `initialize_request`, `initial`, `default_response_headers` and `finalize_response` of our `View`, and so also
DRF's `Request`, which finds out each time which parser is to be had, where there is one. Finding out that there is none
of all that takes longer than checking a request's body does.
"""

from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import request as drf

from servicekit.apikeys.guard import admit
from servicekit.fastpath import put
from servicekit.web import messages
from servicekit.web.access import say_limit
from servicekit.web.fields import AlwaysTheFirst, ExactJSONParser, document_in
from servicekit.web.views import View

_PARSERS: Final = (ExactJSONParser(),)
_NEGOTIATION: Final = AlwaysTheFirst()
_METHOD_NOT_ALLOWED: Final = 405


def install() -> None:
    put(
        View,
        format_kwarg=None,  # nor are there formats in a path
        initialize_request=lambda _self, request, *_, **__: Request(request),
        initial=_initial,
        default_response_headers=property(lambda _self: {}),
        finalize_response=_finalize_response,
    )


class Request(messages.Request):
    """One whose body is exact JSON: read at once, without a choice among parsers."""

    _full_data: Any  # the body, once it is known

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request, parsers=_PARSERS, negotiator=_NEGOTIATION)
        # Everything else of the Django request is looked up here first, in vain.
        self.META, self.method, self.path_info = request.META, request.method, request.path_info

    @property
    def data(self) -> Any:
        """The body. Raises ParseError; what has no body, or one of another type, DRF answers for."""
        is_json = self.META.get("CONTENT_TYPE") == ExactJSONParser.media_type
        if is_json and self._full_data is drf.Empty and self._request.body:
            self._full_data = document_in(self._request.body)
        return super().data


def _initial(self: View, request: Any, *_args: object, **_kwargs: object) -> None:
    """There is nothing to negotiate, and one guard at the door."""
    admit(request, self.scopes)


def _finalize_response(
    self: View, request: Any, response: HttpResponseBase, *_args: object, **_kwargs: object
) -> HttpResponseBase:
    """No header of DRF's own is due but one."""
    say_limit(request, response)
    if response.status_code == _METHOD_NOT_ALLOWED:
        response["Allow"] = self.allowed
    return response
