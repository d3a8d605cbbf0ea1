"""The base of every view: DRF's, without the users, permissions, throttles and versions that nothing here has.

Finding out that there are none takes longer than checking a request's body does.
"""

from typing import Any, ClassVar, Final

from django.http import HttpRequest
from rest_framework.views import APIView

from servicekit.web.messages import Request

# What Django lets a view answer that has no method of that name.
_ANSWERED_BY: Final = {"head": "get"}


class View(APIView):
    # No docstring: the OpenAPI document would show it for each operation that has no words of its own.

    format_kwarg = None  # nor are there formats in a path
    _allow: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = [name for name in cls.http_method_names if hasattr(cls, _ANSWERED_BY.get(name, name))]
        names.remove("options")  # which DRF has for each view, and which nobody is answered
        cls._allow = ", ".join(names).upper()

    def initialize_request(self, request: HttpRequest, *_args: object, **_kwargs: object) -> Request:
        return Request(request)

    def initial(self, request: Any, *_args: object, **_kwargs: object) -> None:
        """Nobody has to be let in, and there is nothing to negotiate."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        """None of DRF's: what a path allows is told to whoever asks for what it does not."""
        return {}

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.headers["Allow"] = self._allow
        return super().http_method_not_allowed(request, *args, **kwargs)
