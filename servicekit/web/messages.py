"""A request and a response as every view here has them: DRF's request with its key, and an answer in exact JSON.

DRF's own response finds out which renderer is to be had, and writes a body only when everything else is over. There is
one (`servicekit.web.fields`), so a body is written at once.
"""

import uuid
from collections.abc import Mapping
from typing import NamedTuple

from django.http import HttpResponse
from rest_framework import request as drf

from servicekit import exactjson


class RateLimit(NamedTuple):
    """How many requests a caller may make in a second, and what is left of that after this one.

    Attributes:
        is_allowed: Whether this request may go on.
        remaining: How many may follow at once.
        reset_s: After how long there is at least one again, or all are, where there still is one.
    """

    is_allowed: bool
    per_s: float
    remaining: int
    reset_s: float


class Request(drf.Request):
    """DRF's request, and what its `Idempotency-Key` means for it (`servicekit.idempotency.keys` writes both).

    Attributes:
        key_id: For what the request creates, the same on every run with its key; None where nobody has given it one.
        is_taken_over: An earlier run with the same key ended without an answer, so that all may be done already.
        rate_limit: What is left for its caller, whose API key has a limit (`servicekit.apikeys.guard` writes it).
    """

    key_id: uuid.UUID | None = None
    is_taken_over: bool = False
    rate_limit: RateLimit | None = None


class Response(HttpResponse):
    """JSON; a `body` of None is no content at all."""

    def __init__(self, body: object = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if body is None else exactjson.encode(body)
        super().__init__(content, status=status, content_type="application/json", headers=headers)
        if body is None:
            del self["Content-Type"]
