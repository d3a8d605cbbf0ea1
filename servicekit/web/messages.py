"""A request and a response as every view here has them: DRF's request, and an answer that is exact JSON.

DRF's own response finds out which renderer is to be had, and writes a body only when everything else is over. There is
one (`servicekit.web.fields`), so a body is written at once.
"""

from collections.abc import Mapping

from django.http import HttpResponse
from rest_framework.request import Request

from servicekit import exactjson

__all__ = ["Request", "Response"]


class Response(HttpResponse):
    """JSON; a `body` of None is no content at all."""

    def __init__(self, body: object = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if body is None else exactjson.encode(body)
        super().__init__(content, status=status, content_type="application/json", headers=headers)
        if body is None:
            del self["Content-Type"]
