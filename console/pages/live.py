"""Parts of a page that are asked for again and again: an answer only where something has changed."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers


def part(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """The part as it is now, or 304. It has no form: a form's token is another one each time."""
    body = render_to_string(template, dict(context), request=request)
    tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:20]}"'
    is_same = request.headers.get("If-None-Match") == tag
    response = HttpResponse(status=304) if is_same else HttpResponse(body)
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Cookie"])
    return response
