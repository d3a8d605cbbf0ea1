"""An order as clients see it."""

from typing import Any, Final

from order_service.orders import states
from order_service.orders.models import Order
from order_service.orders.states import Status
from servicekit import money
from servicekit.exactjson import utc_text

# When to come back after an outage of the product service: about what a restart takes.
RETRY_AFTER_S: Final = 5


def order_json(order: Order) -> dict[str, Any]:
    """The order's JSON, as `serializers.OrderOut` describes it."""
    return {
        "id": order.uid,
        "number": order.number,
        "customer_name": order.customer_name,
        "items": _items(order),
        "total_amount": money.two_decimals(order.total_amount),
        "currency": order.currency,
        "status": order.status,
        "cancellation_reason": order.cancellation_reason or None,
        "created_at": utc_text(order.created_at),
        "updated_at": utc_text(order.updated_at),
        "paid_at": utc_text(order.paid_at),
        "expires_at": utc_text(order.expires_at),
        "payment_status": order.payment_status or None,
    }


def placed(order: Order) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status code, body and headers with which a new order is answered."""
    body = order_json(order)
    if order.status == Status.CANCELLED and order.cancellation_reason == states.PRODUCT_SERVICE_UNAVAILABLE:
        failure = {"error": order.cancellation_reason, "code": "product_service_unavailable"}
        return 503, {**body, **failure}, {"Retry-After": str(RETRY_AFTER_S)}
    if order.status == Status.CANCELLED:
        return 400, {**body, "error": order.cancellation_reason, "code": "order_cancelled"}, {}
    if order.status == Status.PENDING and not order.pay_later:
        return 202, body, {}  # a worker has it now; GET tells how it ends
    return 201, body, {}


def cancelled(order: Order) -> tuple[int, dict[str, Any]]:
    """Status code and body after a cancellation: 202 while the money is still on its way back."""
    return (202 if order.status == Status.PAID else 200), order_json(order)


def _items(order: Order) -> list[dict[str, Any]]:
    """What was asked for, in request order; name and prices are null where the product was not found."""
    lines = {line.product_id: line for line in order.known_lines()}
    items = []
    for asked in order.asked:
        line = lines.get(asked["product_id"])
        items.append(
            {
                "product_id": asked["product_id"],
                "name": line.name if line else None,
                "quantity": asked["quantity"],
                "unit_price": money.two_decimals(line.unit_price) if line else None,
                "line_total": money.two_decimals(line.line_total) if line else None,
            }
        )
    return items
