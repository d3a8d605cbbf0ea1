"""An order service that learns of payments from Kafka: what the tests do to it, and what they look at."""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Message

from tests.brokers import Topics
from tests.stack import ROOT, Process, Stack, wait_until

PRODUCT: Final = 2  # 20.00
GROUP: Final = "order_service"
CARD: Final = {"payment_method": "credit_card", "payment_method_details": {"token": "tok_ok"}}


def publishing_stack(make: Callable[..., Stack], topics: Topics) -> Stack:
    """The three services and the workers that publish; who consumes is each test's business."""
    settings = {name: each for name, each in topics.settings().items() if name != "notify_service"}
    running = make(settings=settings)
    running.start_workers()
    return running


def consumer_of(stack: Stack) -> Process:
    """`consume_payments`, not started; it ends with the stack."""
    service = stack.services["order_service"]
    command = [sys.executable, str(ROOT / "order_service" / "manage.py"), "consume_payments", "--idle", "0.05"]
    log = service.database.with_name("consume_payments.log")
    process = Process("consume_payments", command, environment=service.environment, log=log)
    stack.workers.append(process)
    return process


def an_unpaid_order(stack: Stack) -> str:
    placed = stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [PRODUCT], "payment": "later"})
    assert placed.status == 201
    return str(placed.json["id"])


def status_of(stack: Stack, order: str) -> str:
    return str(stack.orders.get(f"/api/orders/{order}/?live=false").json["status"])


def all_are(stack: Stack, orders: list[str], status: str) -> bool:
    return all(status_of(stack, order) == status for order in orders)


def charge(stack: Stack, order: str) -> str:
    """Paid by somebody else, at `process`; returns the transaction."""
    answer = stack.payments.post(
        "/api/v1/payments/process", {"order_id": order, "amount": 20, "currency": "USD", **CARD}
    )
    assert answer.json["success"] is True
    return str(answer.json["transaction_id"])


def orders_in_between(stack: Stack) -> tuple[list[str], list[str]]:
    """Orders that are just paid for, the first of them known to be PAID; and some that nobody has paid yet."""
    orders = [an_unpaid_order(stack) for _ in range(30)]
    for order in orders[:20]:
        charge(stack, order)
    wait_until(lambda: any(status_of(stack, order) == "PAID" for order in orders), what="the first is paid")
    return orders[:20], orders[20:]


def header(message: Message, name: str) -> str:
    """A header's text; nothing where it is missing."""
    headers: Any = message.headers() or []
    value: bytes = dict(headers).get(name, b"")
    return value.decode()


def trail(stack: Stack, order: str) -> list[str]:
    return [event["type"] for event in stack.orders.get(f"/api/orders/{order}/events/").json["items"]]


def actors(stack: Stack, order: str) -> dict[str, str]:
    """Who caused each event of an order."""
    return {event["type"]: event["actor"] for event in stack.orders.get(f"/api/orders/{order}/events/").json["items"]}


def marked(stack: Stack) -> Counter[str]:
    """The events that had their effect, each by its id."""
    rows = stack.services["order_service"].rows("select event_id from inbox_consumed where consumer = ?", GROUP)
    return Counter(row[0] for row in rows)


def ids_of(topics: Topics, *types: str) -> Counter[str]:
    """Each event of these types once, however often it is in Kafka."""
    found = {header(each, "ce_id") for each in topics.read(topics.payments) if header(each, "ce_type") in types}
    return Counter(found)
