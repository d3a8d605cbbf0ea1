"""An order as clients see it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from order_service.orders import states
from order_service.orders.models import Order, OrderLine
from order_service.orders.states import Status, Step
from servicekit import money
from servicekit.exactjson import utc_text
from servicekit.web.paging import Listed, Place

# Reason that is not the client's fault → code, and when to come back: after about what a restart takes; and after what
# it takes a person to put the catalogue or the address right.
_PRODUCT_SERVICE_AT_FAULT: Final = {
    states.PRODUCT_SERVICE_UNAVAILABLE: ("product_service_unavailable", 5),
    states.PRODUCT_SERVICE_UNUSABLE: ("product_service_unusable", 60),
}


def page(place: Place, listed: Listed[Order]) -> dict[str, Any]:
    """A page of orders."""
    return place.body(listed, [order_json(order) for order in listed.rows])


def order_json(order: Order) -> dict[str, Any]:
    """The order's JSON, as `schemas.OrderOut` describes it. `refund_blocked`, `next_action` only where there is one."""
    body = {
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
        "refunded_amount": money.two_decimals(order.given_back),
    }
    if order.refund_blocked:
        body["refund_blocked"] = order.refund_blocked
    if order.shows_action:
        expires_at = utc_text(order.action_expires_at)
        body["next_action"] = {"type": "redirect", "url": order.action_url, "expires_at": expires_at}
    return body


def placed(order: Order) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status code, body and headers with which a new order is answered."""
    body = order_json(order)
    if order.status == Status.CANCELLED and order.cancellation_reason in _PRODUCT_SERVICE_AT_FAULT:
        code, retry_after_s = _PRODUCT_SERVICE_AT_FAULT[order.cancellation_reason]
        failure = {"error": order.cancellation_reason, "code": code}
        return 503, {**body, **failure}, {"Retry-After": str(retry_after_s)}
    if order.status in (Status.CANCELLED, Status.REFUNDED):
        # Without a reason: somebody else has it refunded already.
        reason = order.cancellation_reason or states.REFUNDED
        return 400, {**body, "error": reason, "code": "order_cancelled"}, {}
    if (order.status == Status.PENDING and not order.pay_later) or order.step == Step.REFUNDING or order.refund_blocked:
        return 202, body, {}  # a worker or a person has it now; GET tells how it ends
    return 201, body, {}


def progress(order: Order, verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Where the saga stands, and what comes next, as `schemas.PROGRESS_OUT` describes it."""
    return {
        "step": str(order.step),
        "attempt": order.attempt,
        "retry_count": order.retry_count,
        "pay_later": order.pay_later,
        "payment_method": order.payment_method or None,
        "due_at": utc_text(order.due_at),
        "unfinished_since": None if order.is_at_rest else utc_text(order.unsettled_since or order.updated_at),
        "recheck_at": utc_text(order.ask_at),
        "invariants": verdicts,
    }


def cancelled(order: Order) -> tuple[int, dict[str, Any]]:
    """Status code and body after a cancellation: 202 while the money is on its way back, or waits for a person."""
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
                "line_total": _line_total(line) if line else None,
            }
        )
    return items


def _line_total(line: OrderLine) -> Decimal | None:
    """Null where it has more digits than an amount can have; then the order is cancelled."""
    return money.two_decimals(line.line_total) if line.line_total <= money.MAX_AMOUNT else None
