"""docs/asyncapi/events.yaml says what is published: every type, every header, every field, and nothing else."""

import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import yaml
from confluent_kafka import Message
from jsonschema import Draft7Validator, FormatChecker

from tests import brokers
from tests.brokers import Topics
from tests.stack import ROOT, Service, Stack, wait_until

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi" / "events.yaml").read_text())
MESSAGES: dict[str, Any] = {each["name"]: each for each in DOCUMENT["components"]["messages"].values()}
# Fields that are money wherever they stand.
MONEY = {
    "amount",
    "captured",
    "refunded",
    "refund_amount",
    "refunded_amount",
    "held",
    "asked",
    "total_amount",
    "unit_price",
}
CARD = {"payment_method": "credit_card", "currency": "USD"}


def resolved(node: Any, *, closed: bool = False) -> Any:
    """A part of the document with its references followed; `closed`: an object has no fields that are not named."""
    if isinstance(node, list):
        return [resolved(each, closed=closed) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return resolved(found, closed=closed)
    plain = {name: resolved(each, closed=closed) for name, each in node.items()}
    if closed and plain.get("type") == "object":
        plain["additionalProperties"] = False
    return plain


def complaints(schema: Any, value: Any, *, closed: bool = False) -> list[str]:
    checker = Draft7Validator(resolved(schema, closed=closed), format_checker=FormatChecker())
    return [f"{list(problem.absolute_path)}: {problem.message}" for problem in checker.iter_errors(value)]


@pytest.fixture(scope="module")
def topics() -> Iterator[Topics]:
    with brokers.topics() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def published(make_module_stack: Callable[..., Stack], topics: Topics) -> list[tuple[str, Message]]:
    """Everything that Kafka got while orders and payments did all that they can do, each with its channel."""
    settings = {name: each for name, each in topics.settings().items() if name != "notify_service"}
    settings["payment_service"] |= {"GATEWAY_SUCCESS_RATE": "1", "STRIPE_WEBHOOK_SECRET": "whsec_test"}
    stack = make_module_stack(settings=settings)
    live_every_life(stack)
    stack.start_workers()
    for name in ("order_service", "payment_service"):
        wait_until(partial(has_published, stack.services[name]), what=f"{name} has published")
    found = [("orders", message) for message in topics.read(topics.orders)]
    return found + [("payments", message) for message in topics.read(topics.payments)]


def has_published(service: Service) -> bool:
    return not service.rows("select 1 from events_event where published_at is null limit 1")


def live_every_life(stack: Stack) -> None:
    """Paid and refunded, out of stock and paid all the same, declined again and again, set aside, voided, postponed."""
    paid = order(stack, product_ids=[2, 2])
    assert stack.orders.post(f"/api/orders/{paid}/cancel/").json["status"] == "REFUNDED"
    out_of_stock = order(stack, product_ids=[6])
    charge = {"order_id": out_of_stock, "amount": "64.00", "payment_method_details": {"token": "tok_ok"}}
    assert stack.payments.post("/v1/payments/charge", charge).json["status"] == "SUCCESS"
    stack.orders.post(f"/api/orders/{out_of_stock}/payment/")
    order(stack, product_ids=[2], payment_method="CARD", payment_method_details={"token": "tok_insufficient_funds"})
    asked = {"order_id": 900, "amount": "25.50", "payment_method_details": {"token": "tok_ok"}, **CARD}
    aside = stack.payments.post("/api/v1/payments/process", {**asked, "capture": False}).json["transaction_id"]
    assert stack.payments.post("/api/v1/payments/void", {"transaction_id": aside}).json["success"] is True
    taken = stack.payments.post("/api/v1/payments/process", {**asked, "order_id": 901}).json["transaction_id"]
    part = {"transaction_id": taken, "amount": "0.50"}
    assert stack.payments.post("/api/v1/payments/refund", part).json["success"] is True
    order(stack, product_ids=[2], payment_method="CARD", payment_method_details={"token": "tok_3ds_ok"})
    refuse_every_step(stack)
    unpaid = order(stack, product_ids=[2], payment="later")
    hear_of_it_later(stack)
    for http in (stack.orders, stack.payments):
        made = http.post("/api/webhooks/", {"url": "https://shop.example.org/hooks", "events": ["*"]}).json["id"]
        assert http.request("PATCH", f"/api/webhooks/{made}/", json={"enabled": False}).json["enabled"] is False
    stack.services["product_stub"].kill()
    assert stack.orders.post(f"/api/orders/{unpaid}/cancel/").json["status"] == "CANCELLED"
    stack.restart("product_stub")


def hear_of_it_later(stack: Stack) -> None:
    """What Stripe says by itself: a dispute that is opened and won, a refund that has failed after it was made."""
    asked = {"order_id": 910, "amount": "25.50", "payment_method_details": {"token": "tok_ok"}, **CARD}
    transaction = stack.payments.post("/api/v1/payments/process", asked).json["transaction_id"]
    part = {"transaction_id": transaction, "amount": "0.50"}
    refund = stack.payments.post("/api/v1/payments/refund", part).json["refund_id"]
    dispute = {"id": "dp_1", "charge": transaction, "amount": 100, "currency": "usd", "reason": "fraudulent"}
    for kind, thing in (
        ("charge.dispute.created", {**dispute, "status": "needs_response"}),
        ("charge.dispute.closed", {**dispute, "status": "won"}),
        ("refund.failed", {"id": "re_1", "status": "failed", "metadata": {"key": f"refund-{refund}"}}),
    ):
        body = json.dumps({"id": f"evt_{kind}", "type": kind, "data": {"object": thing}}).encode()
        assert tell_as_stripe(stack, body) == 200


def tell_as_stripe(stack: Stack, body: bytes) -> int:
    moment = int(time.time())
    mac = hmac.new(b"whsec_test", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={moment},v1={mac}", "Content-Type": "application/json"}
    return stack.payments.request("POST", "/webhooks/stripe/", data=body, headers=headers).status


def refuse_every_step(stack: Stack) -> None:
    """What the gateway refuses for good, tried again; and a part of an order's money that goes back."""
    card = {"payment_method": "CARD", "payment_method_details": {"token": "tok_refund_fails"}}
    kept = order(stack, product_ids=[2], **card)
    for _ in range(2):
        assert "refund_blocked" in stack.orders.post(f"/api/orders/{kept}/cancel/").json
    for number, (step, token) in enumerate((("capture", "tok_capture_fails"), ("void", "tok_void_fails")), start=902):
        asked = {"order_id": number, "amount": "25.50", "payment_method_details": {"token": token}, **CARD}
        aside = stack.payments.post("/api/v1/payments/process", {**asked, "capture": False}).json["transaction_id"]
        refused = stack.payments.post(f"/api/v1/payments/{step}", {"transaction_id": aside})
        assert refused.json["success"] is False
    card["payment_method_details"] = {"token": "tok_ok"}
    paid = order(stack, product_ids=[2], **card)
    taken = stack.payments.get(f"/api/v1/payments/order/{paid}").json["transaction_id"]
    stack.payments.post("/api/v1/payments/refund", {"transaction_id": taken, "amount": "0.50"})
    assert str(stack.orders.post(f"/api/orders/{paid}/payment/").json["refunded_amount"]) == "0.50"


def order(stack: Stack, **asked: Any) -> str:
    return str(stack.orders.post("/api/orders/", {"customer_name": "Alice", **asked}).json["id"])


def type_of(message: Message) -> str:
    return headers_of(message)["ce_type"]


def headers_of(message: Message) -> dict[str, str]:
    pairs: Any = message.headers()
    assert len({name for name, _ in pairs}) == len(pairs)
    return {name: value.decode() for name, value in pairs}


def test_every_type_is_published_and_every_published_type_is_documented(published: list[tuple[str, Message]]) -> None:
    """On the channel that the document names for it."""
    seen = {(channel, type_of(message)) for channel, message in published}
    documented = {
        (channel, resolved(message)["name"])
        for channel, each in DOCUMENT["channels"].items()
        for message in each["messages"].values()
    }
    assert seen == documented, (
        f"published and not in docs/asyncapi/events.yaml (add a message to its channel): {sorted(seen - documented)}\n"
        f"documented and not published (let live_every_life do what publishes it): {sorted(documented - seen)}"
    )


def test_headers_key_and_payload_are_as_documented(published: list[tuple[str, Message]]) -> None:
    """Of each message; no header and no field that the document does not name."""
    found: set[tuple[str, str]] = set()
    named = set(resolved(DOCUMENT["components"]["schemas"]["Headers"])["properties"])
    for _, message in published:
        documented, headers = MESSAGES[type_of(message)], headers_of(message)
        key, value = (message.key() or b"").decode(), exact(message)
        wrong = complaints(documented["headers"], headers)
        wrong += complaints(documented["payload"], value, closed=True)
        wrong += complaints(documented["bindings"]["kafka"]["key"], key)
        wrong += [f"header {name} is not named" for name in set(headers) - named]
        found |= {(type_of(message), each) for each in wrong}
        assert headers["ce_partitionkey"] == key
    assert not found, "mend the message in docs/asyncapi/events.yaml, or what is published:\n" + "\n".join(
        f"{kind}: {each}" for kind, each in sorted(found)
    )


def test_a_key_is_the_orders_id(published: list[tuple[str, Message]]) -> None:
    """At both topics: an order's own events and its payment's come to the same partition number."""
    for _, message in published:
        is_payments = type_of(message).startswith("payment.")
        expected = exact(message)["order_id"] if is_payments else headers_of(message)["ce_subject"]
        assert (message.key() or b"").decode() == expected


def test_amounts_have_two_decimals(published: list[tuple[str, Message]]) -> None:
    """On the wire: 50.00, not 50 and not 50.0."""
    amounts = [value for _, message in published for name, value in leaves(exact(message)) if name in MONEY]
    assert len(amounts) > 20
    assert [value for value in amounts if not isinstance(value, Decimal) or value.as_tuple().exponent != -2] == []


def test_sequences_rise_with_each_event_of_a_subject(published: list[tuple[str, Message]]) -> None:
    """In the order in which Kafka has them, compared as text."""
    told: dict[str, list[str]] = defaultdict(list)
    for _, message in published:
        headers = headers_of(message)
        told[headers["ce_subject"]].append(headers["ce_sequence"])
    assert all(sequences == sorted(set(sequences)) for sequences in told.values())


def exact(message: Message) -> Any:
    """The payload, with decimals as they stand."""
    return json.loads(message.value() or b"", parse_float=Decimal)


def leaves(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for child, value in node.items():
            yield from leaves(value, child)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, name)
    else:
        yield name, node


def test_the_document_holds_together() -> None:
    """Every reference leads somewhere, every schema is one, every operation has a channel, every message a place."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    resolved(DOCUMENT)
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(resolved(schema))
    channels = resolved(DOCUMENT["channels"]).values()
    placed = [message["name"] for channel in channels for message in channel["messages"].values()]
    assert set(placed) == set(MESSAGES)  # both services publish what is of the plumbing
    sending = {each["channel"]["$ref"] for each in DOCUMENT["operations"].values() if each["action"] == "send"}
    assert sending == {f"#/channels/{name}" for name in DOCUMENT["channels"]}


@pytest.mark.parametrize("name", MESSAGES)
def test_examples_are_valid(name: str) -> None:
    """Each message has one, and it has nothing that is not named."""
    [example] = MESSAGES[name]["examples"]
    assert complaints(MESSAGES[name]["payload"], example["payload"], closed=True) == []
