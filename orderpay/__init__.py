"""A typed client of the order, payment and product services: `orderpay.Client`."""

from orderpay.client import Client, new_key
from orderpay.errors import (
    Conflict,
    Declined,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    OrderCancelled,
    OrderPayError,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
)
from orderpay.models import (
    PAYMENT_STATUSES,
    Blocked,
    Confirmed,
    Event,
    Health,
    Item,
    Line,
    Order,
    Payment,
    Product,
    Refund,
    Reservation,
)
from orderpay.webhooks import BadSignature, verify_webhook

__version__ = "0.1.0"
__all__ = [
    "PAYMENT_STATUSES",
    "BadSignature",
    "Blocked",
    "Client",
    "Confirmed",
    "Conflict",
    "Declined",
    "Event",
    "Forbidden",
    "Health",
    "Invalid",
    "Item",
    "Line",
    "NotAuthenticated",
    "NotFound",
    "Order",
    "OrderCancelled",
    "OrderPayError",
    "Payment",
    "Product",
    "RateLimited",
    "Refund",
    "Reservation",
    "Unavailable",
    "UnexpectedAnswer",
    "new_key",
    "verify_webhook",
]
