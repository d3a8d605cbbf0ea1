"""Headers that decide whether a request is taken at all: said twice, from another site, or of a packed body.

Looked at before anything is read. See docs/adr/0021.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from servicekit.web import error_responses

# Read once wherever they are read. Servers join what comes twice with a comma, and none but a joined one has a comma
# without a space behind it. `Idempotency-Key` is not among them: a quoted one may have commas (`idempotency.keys`).
_READ_ONCE: Final = (
    ("HTTP_HOST", "Host"),
    ("CONTENT_TYPE", "Content-Type"),
    ("HTTP_X_REQUEST_ID", "X-Request-ID"),
    ("HTTP_ORIGIN", "Origin"),
    ("HTTP_SEC_FETCH_SITE", "Sec-Fetch-Site"),
    ("HTTP_TRACEPARENT", "traceparent"),
    ("HTTP_AUTHORIZATION", "Authorization"),
)
_JOINED: Final = re.compile(r",(?! )")
# RFC 9110; all else changes something, or is unknown.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_ORIGIN: Final = re.compile(r"(https?)://(.+)", re.ASCII)
_DEFAULT_PORT: Final = {"http": ":80", "https": ":443"}

CROSS_SITE: Final = error_responses.error(403, "Cross-site requests are not allowed", "cross_site")
_PACKED: Final = error_responses.Answer(
    415,
    {"error": "Content-Encoding must be identity", "code": "unsupported_media_type"},
    {"Accept-Encoding": "identity"},
)
# RFC 9110 8.3.2: names in any case, bare or quoted. ASCII is UTF-8 too.
_CHARSETS: Final = re.compile(r'("?)(utf-?8|us-ascii)\1', re.ASCII | re.IGNORECASE)
_OTHER_CHARSET: Final = error_responses.error(
    415, "Content-Type must have no other charset than utf-8", "unsupported_media_type"
)
# For a server that has read no body in chunks, as ours does (`servicekit.runtime.bridge`).
LENGTH_REQUIRED: Final = error_responses.error(
    411,
    "Content-Length is required: this server reads no chunked body; manage.py runserver is for development only",
    "length_required",
)


def refuse_repeated(meta: Mapping[str, Any]) -> error_responses.Answer | None:
    """400 for a header that is read once and came twice: whoever stands before us may have read the other one."""
    for name, header in _READ_ONCE:
        value = meta.get(name)
        if value is not None and "," in value and _JOINED.search(value):
            return _repeated(header)
    return None


def refuse_packed(method: str | None, meta: Mapping[str, Any]) -> error_responses.Answer | None:
    """415 for a packed body, and for one that is only said to be; 400 where it is said twice that it is none."""
    codings = meta.get("HTTP_CONTENT_ENCODING")
    if codings is None or method in _SAFE:
        return None
    if all(coding.strip().lower() in ("", "identity") for coding in codings.split(",")):
        return _repeated("Content-Encoding") if _JOINED.search(codings) else None
    return _PACKED


def refuse_charset(method: str | None, meta: Mapping[str, Any]) -> error_responses.Answer | None:
    """415 for a body in another charset than UTF-8, and for one that is only said to be; each is read as UTF-8."""
    content_type = meta.get("CONTENT_TYPE")
    if not content_type or ";" not in content_type or method in _SAFE:
        return None
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and not _CHARSETS.fullmatch(value.strip()):
            return _OTHER_CHARSET
    return None


def refuse_cross_site(
    method: str | None, meta: Mapping[str, Any], *, allowed: Collection[str]
) -> error_responses.Answer | None:
    """403 for what a page of another site makes a browser send, and what would change something.

    Browsers name the page's origin in such a request, and its scripts cannot keep them from it; who sends neither
    header is no browser.
    """
    origin, site = meta.get("HTTP_ORIGIN"), meta.get("HTTP_SEC_FETCH_SITE")
    if (origin is None and site is None) or method in _SAFE or origin in allowed:
        return None
    if origin is not None and not _is_own(origin, meta.get("HTTP_HOST", "")):
        return CROSS_SITE
    return CROSS_SITE if site is not None and site.strip().lower() == "cross-site" else None


def _repeated(header: str) -> error_responses.Answer:
    return error_responses.error(400, f"{header} must not be given more than once", "header_repeated")


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin is the host that was asked. Not by its scheme, which is the proxy's where TLS ends there."""
    found = _ORIGIN.fullmatch(origin.lower())
    if found is None:
        return False
    port = _DEFAULT_PORT[found[1]]
    return found[2].removesuffix(port) == host.lower().removesuffix(port)
