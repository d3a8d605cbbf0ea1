"""The base of every view: DRF's, without the users, permissions, throttles and versions that nothing here has.

Finding out that there are none takes longer than checking a request's body does.
"""

from typing import Any, ClassVar, Final

from rest_framework.request import Request
from rest_framework.views import APIView

# What Django lets a view answer that has no method of that name.
_ANSWERED_BY: Final = {"head": "get"}


class View(APIView):
    # No docstring: the OpenAPI document would show it for each operation that has no words of its own.

    format_kwarg = None  # nor are there formats in a path
    _allow: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = [name for name in cls.http_method_names if hasattr(cls, _ANSWERED_BY.get(name, name))]
        cls._allow = ", ".join(names).upper()

    def initial(self, request: Request, *_args: object, **_kwargs: object) -> None:
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {"Allow": self._allow}
