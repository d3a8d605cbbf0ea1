"""Whether a webhook came from who it says: the format and headers of Standard Webhooks (standardwebhooks.com)."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

# Seconds by which the sender's clock, or the way, may be off.
TOLERANCE_S: Final = 300.0
_PREFIX: Final = "whsec_"
# Seconds since 1970, for the next 30,000 years.
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


class BadSignature(ValueError):
    """Not signed with this secret, too old, or changed on the way. Answer 400, and do nothing of what it says."""


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> Any:
    """The event in a webhook, once it is certain who has sent it.

    Args:
        secret: `whsec_…`, as it was shown when the endpoint was made.
        headers: Of the request, in any case: `webhook-id`, `webhook-timestamp` and `webhook-signature` are read.
        body: The request's body as it came, not parsed and written again.
        tolerance_s: How old it may be, in seconds.

    Returns: the JSON, amounts as `Decimal`. The same `webhook-id` may come twice: keep it, and do it once.

    Raises:
        BadSignature: nothing in it can be trusted.

    >>> secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    >>> headers = {
    ...     "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...     "webhook-timestamp": "1614265330",
    ...     "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ... }
    >>> orderpay.verify_webhook(secret, headers, b'{"test": 2432232314}', now=1614265330)
    {'test': 2432232314}
    """
    key, raw, said = _key_of(secret), _raw(body), _texts(headers)
    message_id, sent_at = said.get("webhook-id", ""), said.get("webhook-timestamp", "")
    if not message_id or not _SECONDS.fullmatch(sent_at):
        raise BadSignature("webhook-id or webhook-timestamp is missing, or none")
    if abs((time.time() if now is None else now) - int(sent_at)) > tolerance_s:
        raise BadSignature("webhook-timestamp is too far from now")
    signed = _raw(f"{message_id}.{sent_at}.") + raw
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    signatures = [each.partition(",") for each in said.get("webhook-signature", "").split()]
    # All of them, so that how long it takes says nothing.
    fits = [
        hmac.compare_digest(value.encode(errors="replace"), expected)
        for version, _, value in signatures
        if version == "v1"
    ]
    if not any(fits):
        raise BadSignature("no signature fits")
    try:
        return json.loads(raw, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as problem:
        raise BadSignature("it is signed, and its body is no JSON") from problem


def _key_of(secret: object) -> bytes:
    """What signs. An empty one would let anybody sign."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if isinstance(secret, str) else b""
    except ValueError as problem:
        raise BadSignature("the secret is none of ours: whsec_ and base64") from problem
    if not key:
        raise BadSignature("the secret is empty, or none of ours: whsec_ and base64")
    return key


def _raw(body: object) -> bytes:
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    try:
        return body.encode() if isinstance(body, str) else b""
    except UnicodeEncodeError as problem:
        raise BadSignature("what was signed cannot have been this text") from problem


def _texts(headers: Mapping[str, str]) -> dict[str, str]:
    """By their names in lower case; what is no text is as good as missing."""
    return {name.lower(): value for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)}
