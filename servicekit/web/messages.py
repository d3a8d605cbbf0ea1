"""A request and a response whose bodies are exact JSON, which is all that a view here ever reads and writes.

DRF's own find out for each of them which parser and which renderer are to be had, and write a body only when everything
else is over. There is one of each (`servicekit.web.fields`), so a body is read and written at once.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from rest_framework import request as drf

from servicekit import exactjson
from servicekit.web.fields import AlwaysTheFirst, ExactJSONParser, document_in

_PARSERS: Final = (ExactJSONParser(),)
_NEGOTIATION: Final = AlwaysTheFirst()


class Request(drf.Request):
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


class Response(HttpResponse):
    """JSON; a `body` of None is no content at all."""

    def __init__(self, body: object = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if body is None else exactjson.encode(body)
        super().__init__(content, status=status, content_type="application/json", headers=headers)
        if body is None:
            del self["Content-Type"]
