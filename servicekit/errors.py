"""Errors that have a meaning for the caller: a sentence, a stable code and the fields that explain it.

Pure Python. A family says what kind of "no" it is; which HTTP status that becomes is decided by
`web/error_responses.py`.
"""

from typing import Any


class ServiceError(Exception):
    """A refusal that the caller can act on. Subclasses set `code`; `fields` go into the error body as they are."""

    code: str = "error"
    # Whether something was stored all the same: then it is an outcome, and a repeat of the request is told it again.
    is_outcome: bool = False

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class Invalid(ServiceError):
    """The request itself is wrong; repeating it cannot help."""


class Unauthenticated(ServiceError):
    """Nobody knows who asks. `challenge` says it as RFC 6750 has it."""

    challenge: str = ""


class Forbidden(ServiceError):
    """Whoever asks is known, and may not do this. `challenge` says it as RFC 6750 has it."""

    challenge: str = ""


class NotFound(ServiceError):
    """What the request names does not exist."""


class Conflict(ServiceError):
    """The request is fine, the state of what it names is not."""


class StaleRow(Conflict):
    """Somebody else changed a row since it was read: whatever was concluded from it no longer counts.

    Args:
        what: What the row is, for whoever hears of it at last: "payment".
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"The {what} was changed by another request")
        self.code = f"{what}_overtaken"


class Unprocessable(ServiceError):
    """The request contradicts an earlier one that it claims to repeat."""


class Unavailable(ServiceError):
    """Something that is needed cannot be reached now; repeat the request after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: int = 1, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.retry_after_s = retry_after_s


class TooManyRequests(Unavailable):
    """This caller has asked too often; nothing is wrong with the service."""


class Overloaded(Unavailable):
    """Nothing is wrong but that too much was asked for at the same time. Nothing was done."""

    code = "overloaded"

    def __init__(self, message: str = "Too many requests at the same time") -> None:
        super().__init__(message)
