"""The base of every view: DRF's, which tells what a path allows only to whoever asks for what it does not."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from django.http import HttpRequest
from rest_framework.views import APIView

from servicekit.web.access import say_limit
from servicekit.web.messages import Request

# What Django lets a view answer that has no method of that name.
_ANSWERED_BY: Final = {"head": "get"}
_METHOD_NOT_ALLOWED: Final = 405


class View(APIView):
    # No docstring: the OpenAPI document would show it for each operation that has no words of its own.

    allowed: ClassVar[str]  # the methods, as the header has them
    # What a key must be allowed, by method (`servicekit.web.routes`). Of a route outside of that table: nothing.
    scopes: Mapping[str, str] = MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = [name for name in cls.http_method_names if hasattr(cls, _ANSWERED_BY.get(name, name))]
        names.remove("options")  # which DRF has for each view, and which nobody is answered
        cls.allowed = ", ".join(names).upper()

    def initialize_request(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> Request:
        return Request(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        say_limit(request, answer)
        del answer["Allow"]
        if answer.status_code == _METHOD_NOT_ALLOWED:
            answer["Allow"] = self.allowed
        return answer
