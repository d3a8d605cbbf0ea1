"""What a view says of its callers: what they must be allowed to do, and how much of their limit is left."""

import math
from typing import Final

from django.http.response import HttpResponseBase

from servicekit.web.messages import Request

# A scope that everybody has, with a key or without: for what people open in their browser, and for watchers.
PUBLIC: Final = "public"
# One that every key has, whatever it may do besides.
ANY_KEY: Final = "any"
# Of what watches and checks a service: `/metrics`, where that needs a key. Each service has it, so that a key can be
# made before that is switched on.
AUDIT: Final = "audit:read"


def say_limit(request: Request, response: HttpResponseBase) -> None:
    """The headers of the IETF's draft "RateLimit header fields for HTTP", for whoever has a limit."""
    limit = request.rate_limit
    if limit is not None:
        # Whole numbers: one in so many seconds, where it is fewer than one a second.
        window_s = max(1, math.ceil(1 / limit.per_s))
        response["RateLimit-Policy"] = f'"key";q={max(1, int(limit.per_s))};w={window_s}'
        response["RateLimit"] = f'"key";r={limit.remaining};t={math.ceil(limit.reset_s)}'
