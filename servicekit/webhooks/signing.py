"""Standard Webhooks: secrets, headers and signatures.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

PREFIX: Final = "whsec_"
# The specification asks for 24 to 64.
SECRET_BYTES: Final = 32
_VERSION: Final = "v1"


def new_secret() -> str:
    """A secret as its receiver gets it: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(message_id: str, timestamp: int, body: bytes, *, keys: Sequence[str]) -> Mapping[str, str]:
    """The three headers. `keys`: the secrets that are good now, each of which signs.

    Args:
        timestamp: Seconds since 1970, of this attempt.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(message_id, timestamp, body, key=key) for key in keys),
    }


def sign(message_id: str, timestamp: int, body: bytes, *, key: str) -> str:
    """One signature: of the id, the time and the very bytes of the body, with a dot between them."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(_bytes_of(key), signed, hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(digest).decode()}"


def _bytes_of(key: str) -> bytes:
    try:
        return base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except binascii.Error as problem:
        raise ValueError("a secret is whsec_ and base64") from problem
