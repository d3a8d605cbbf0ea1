"""What can go wrong, by meaning. Every error has the service's own code and the id of the request."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orderpay.models import Order, Payment, Refund


class OrderPayError(Exception):
    """A call that did not do what it was to do.

    Attributes:
        message: The service's sentence.
        code: The service's stable slug, such as `order_not_found`; empty where it gave no answer.
        status: The HTTP status; None where there was no answer.
        request_id: What the service logged it under (`X-Request-ID`); empty where there was no answer.
        fields: The sentences about single fields of the request.
        body: The whole answer.
        idempotency_key: The key of the call, where it had one (each POST has): with it the same call can be repeated.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status: int | None = None,
        request_id: str = "",
        body: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.request_id = request_id
        self.body: Mapping[str, Any] = body or {}
        fields = self.body.get("fields")
        self.fields: Mapping[str, list[str]] = fields if isinstance(fields, Mapping) else {}
        self.idempotency_key = idempotency_key

    def __str__(self) -> str:
        about = ", ".join(part for part in (self.code, self.request_id and f"request {self.request_id}") if part)
        return f"{self.message} ({about})" if about else self.message


class Invalid(OrderPayError):
    """400, 413, 415, 422: the request cannot be done as it is. Nothing was changed."""


class InvalidArgument(Invalid, ValueError):
    """What was given to a call cannot be sent, so nothing was. The message names the argument."""


class NotAuthenticated(OrderPayError):
    """401: a key is needed, or this one is unknown, expired or revoked."""


class Forbidden(OrderPayError):
    """403: the key lacks a scope."""


class NotFound(OrderPayError):
    """404: there is no such thing."""


class Conflict(OrderPayError):
    """409: it is there, and in a state in which this cannot be done."""


class OrderCancelled(OrderPayError):
    """The order was placed and is cancelled: `order` has the reason. Its stock is back and no money is held for it."""

    order: "Order | None" = None


class Declined(OrderCancelled):
    """The gateway said no: to an order's payment (`order`), to a payment (`payment`), or to a refund (`refund`).

    `code` is the gateway's word, such as `expired_card`; `payment_failed` or `refund_failed` where the answer has none.
    `payments.state(order_id).failure_code` has the word of a payment that failed.
    """

    payment: "Payment | None" = None
    refund: "Refund | None" = None


class RateLimited(OrderPayError):
    """429: the key has used up its limit, also after waiting for as long as the service said."""

    retry_after_s: float = 0.0


class Unavailable(OrderPayError):
    """503, or no answer at all after every retry; one that makes no sense is none.

    Without an answer it is not known whether it was done: repeat it with `idempotency_key`. `order` is there where the
    order was cancelled because the product service could not be reached.
    """

    order: "Order | None" = None
    retry_after_s: float = 0.0


class UnexpectedAnswer(OrderPayError):
    """500: the service has a fault of its own. Whether it was done is not known: repeat it with `idempotency_key`."""
