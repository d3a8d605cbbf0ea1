"""What a mail says of an event. Pure: an event in, words out."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from servicekit.inbox.cloudevents import CloudEvent
from servicekit.inbox.errors import Refused

# A subject is one line, however long somebody's order number is.
MAX_REFERENCE_LENGTH: Final = 64


class Written(NamedTuple):
    """A mail's words, and the order that they are about."""

    order_id: str
    subject: str
    body: str


class PaymentData(msgspec.Struct):
    """What mails need of a payment's event; the rest is not looked at. Amounts in major units."""

    order_id: str
    amount: Decimal
    captured: Decimal
    currency: str
    failure_code: str = ""
    refund_amount: Decimal | None = None


def write(event: CloudEvent) -> Written:
    """The mail about a payment.

    Raises Refused for a payload that does not say what a mail needs.
    """
    try:
        payment = msgspec.convert(event.data, PaymentData)
    except msgspec.ValidationError as problem:
        raise Refused("unknown_schema", str(problem)) from problem
    return WRITERS[event.type](payment)


def _received(payment: PaymentData) -> Written:
    order = _order(payment)
    body = f"{payment.captured} {payment.currency} was taken for {order}.\n"
    return Written(payment.order_id, f"Payment received for {order}", body)


def _failed(payment: PaymentData) -> Written:
    order = _order(payment)
    why = f" ({_line(payment.failure_code)})" if payment.failure_code else ""
    body = f"{payment.amount} {payment.currency} could not be taken for {order}{why}. Nothing was charged.\n"
    return Written(payment.order_id, f"Payment failed for {order}", body)


def _refunded(payment: PaymentData) -> Written:
    if payment.refund_amount is None:
        raise Refused("unknown_schema", "a refund without refund_amount")
    order = _order(payment)
    body = f"{payment.refund_amount} {payment.currency} was given back for {order}.\n"
    return Written(payment.order_id, f"Refund for {order}", body)


# What the payment service of seed 004 has its notification service tell of.
WRITERS: Final[Mapping[str, Callable[[PaymentData], Written]]] = {
    "payment.successful": _received,
    "payment.failed": _failed,
    "payment.refunded": _refunded,
}


def _order(payment: PaymentData) -> str:
    return f"order {_line(payment.order_id)[:MAX_REFERENCE_LENGTH]}"


def _line(text: str) -> str:
    """Without line breaks, which in a subject would begin another header."""
    return " ".join(text.split())
