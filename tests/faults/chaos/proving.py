"""When all is quiet again: is everything true that any customer was told?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tests.client import Http
from tests.faults.chaos.customers import Asked, Memory, is_kept
from tests.stack import Stack

# Requests after which the money of a paid order may have gone back.
GIVES_BACK = {"cancel", "void", "void_transaction", "refund", "refund_all"}
TOO_LATE = "Payment not received in time"


def problems_in(stack: Stack, memory: Memory) -> list[str]:
    """Whatever a customer was told and is not so, or is so twice."""
    found = [f"I9: {each}" for each in memory.changed]
    found += [f"I9: {each}" for each in _made_twice(stack)]
    found += [f"no answer at all after {each.tries} tries: {each.customer}: {each.do}" for each in _unanswered(memory)]
    by_customer: dict[str, list[Asked]] = defaultdict(list)
    for asked in memory.asked:
        by_customer[asked.customer].append(asked)
    for asked_by_one in by_customer.values():
        found += [f"I8: {each}" for each in _forgotten(stack, asked_by_one)]
    return found


def answered_otherwise(stack: Stack, memory: Memory, *, at_most: int) -> Iterator[str]:
    """Ask again, under their keys, for the last of what was carried out; what is answered otherwise now."""
    urls = {name: service.url for name, service in stack.services.items()}
    kept = [each for each in memory.asked if each.body is not None and each.reply and is_kept(each.reply)]
    for asked in kept[-at_most:]:
        again = Http(urls[asked.service]).post(asked.path, dict(asked.body or {}), key=asked.key)
        first = asked.reply
        if first is not None and (again.status, again.text) != (first.status, first.text):
            yield (
                f"I9: {asked.customer}: {asked.do} was answered {first.status} {first.text}, and is now answered "
                f"{again.status} {again.text}"
            )


def _made_twice(stack: Stack) -> Iterator[str]:
    """Each customer orders once, however often they have to ask. A 503 gave the key back: what it cancelled stays."""
    rows = stack.services["order_service"].rows(
        "select customer_name, count(*) from orders_order where cancellation_reason not in (?, ?) "
        "group by customer_name having count(*) > 1",
        *GIVEN_BACK,
    )
    for name, count in rows:
        yield f"{name} ordered once, and there are {count} orders"


# Why orders are cancelled that are answered 503.
GIVEN_BACK = ("Product service unavailable", "Product service gave no usable answer")


def _unanswered(memory: Memory) -> Iterable[Asked]:
    return (each for each in memory.asked if not each.is_answered)


def _forgotten(stack: Stack, asked: list[Asked]) -> Iterator[str]:
    """What one customer was told and is not so."""
    placed = asked[0]
    if placed.reply is None:
        return
    if not placed.order:
        yield f"{placed.customer} ordered, and was answered {placed.reply.status} {placed.reply.text}"
        return
    order = stack.orders.get(f"/api/orders/{placed.order}/")
    if order.status != 200:
        yield f"{placed.customer} was given order {placed.order}, and it is gone ({order.status})"
        return
    yield from _order_moved(placed, order.json, asked)
    told = [each for each in asked if each.reply is not None and each.reply.status in (200, 201)]
    if any(each.service == "payment_service" for each in told):
        found = stack.payments.get(f"/api/v1/payments/order/{placed.order}")
        yield from _payment_moved(placed.order, found.json if found.status == 200 else None, told)


def _order_moved(placed: Asked, order: dict[str, Any], asked: list[Asked]) -> Iterator[str]:
    """Whether the order is where its customer was told, or where their own requests have taken it since."""
    status = order["status"]
    may_be_back = any(each.do in GIVES_BACK for each in asked)
    first = placed.reply.json["status"] if placed.reply else ""
    allowed = {
        "PAID": {"PAID", "REFUNDED"} if may_be_back else {"PAID"},
        "CANCELLED": {"CANCELLED"},
        "PENDING": {"PENDING", "PAID", "CANCELLED", "REFUNDED"},
    }
    if status not in allowed[first]:
        yield f"order {placed.order} was {first} when it was placed, and is {status}"
    for each in asked:
        reply = each.reply
        if reply is None:
            continue
        if each.do == "cancel" and reply.status == 200 and status != reply.json["status"]:
            yield f"order {placed.order} was {reply.json['status']} when it was cancelled, and is {status}"
        if each.do == "cancel" and reply.status == 202 and status != "REFUNDED":
            yield f"order {placed.order} was to be refunded, and is {status}"
        is_late = order["cancellation_reason"] == TOO_LATE
        if each.do == "pay" and reply.status == 200 and status != "PAID" and not (may_be_back or is_late):
            yield f"order {placed.order} was paid, and is {status}"


def _payment_moved(order_id: str, payment: dict[str, Any] | None, told: list[Asked]) -> Iterator[str]:
    """Whether the payment still is what its doors have answered."""
    for each in told:
        body: dict[str, Any] = each.reply.json if each.reply is not None else {}
        taken = (
            body.get("status") in ("COMPLETED", "SUCCESS", "captured") or body.get("message") == "Payment successful"
        )
        if each.service != "payment_service" or not (taken or "refund_id" in body):
            continue
        if payment is None:
            yield f"order {order_id}: {each.do} was answered {each.reply and each.reply.text}, and there is no payment"
        elif taken and payment["captured_at"] is None:
            yield f"order {order_id}: {each.do} took the money, and the payment is {payment['status']}, never captured"
        elif body.get("refund_id") and body.get("success"):
            refunds = {refund["id"]: refund["status"] for refund in payment["refunds"]}
            if refunds.get(body["refund_id"]) != "succeeded":
                yield f"order {order_id}: refund {body['refund_id']} was made, and is {refunds.get(body['refund_id'])}"
