"""Whether a webhook came from who it says: the format and headers of Standard Webhooks (standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

# Seconds by which the sender's clock, or the way, may be off.
TOLERANCE_S: Final = 300.0
_PREFIX: Final = "whsec_"


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
    raw = body.encode() if isinstance(body, str) else body
    said = {name.lower(): value for name, value in headers.items()}
    message_id, sent_at = said.get("webhook-id", ""), said.get("webhook-timestamp", "")
    if not message_id or not (sent_at.isascii() and sent_at.isdigit()):
        raise BadSignature("webhook-id or webhook-timestamp is missing")
    if abs((time.time() if now is None else now) - int(sent_at)) > tolerance_s:
        raise BadSignature("webhook-timestamp is too far from now")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as problem:
        raise BadSignature("the secret is none of ours: whsec_ and base64") from problem
    signed = f"{message_id}.{sent_at}.".encode() + raw
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    signatures = [each.partition(",") for each in said.get("webhook-signature", "").split()]
    # All of them, so that how long it takes says nothing.
    fits = [
        hmac.compare_digest(value.encode(), expected.encode()) for version, _, value in signatures if version == "v1"
    ]
    if not any(fits):
        raise BadSignature("no signature fits")
    return json.loads(raw, parse_float=Decimal)
