"""A payment service that is late, breaks, declines, does not know yet or is not there: what becomes of the order.

A scripted peer stands in its place, so that what the order service asked, and how often, can be counted.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from tests.client import Reply
from tests.peers import Answer, Call, Script, ScriptedPeer, scripted_peer
from tests.stack import Stack, wait_until

MakeStack = Callable[..., Stack]
Outage = tuple[Stack, ScriptedPeer]


@pytest.fixture(scope="module")
def with_peer(make_module_stack: MakeStack) -> Iterator[Callable[[str], Outage]]:
    """A function that starts a stack with a scripted payment service once for each time-out of the order service."""
    with ExitStack() as opened:

        @cache
        def begin(timeout_s: str) -> Outage:
            peer = opened.enter_context(scripted_peer(charges(paid)))
            # No circuit opens over all these failures.
            settings = {"BREAKER_FAILURES": "100000", "HTTP_READ_TIMEOUT_S": timeout_s}
            return make_module_stack(peers={"payment_service": peer.url}, settings={"order_service": settings}), peer

        yield begin


@pytest.fixture
def outage(with_peer: Callable[[str], Outage]) -> Outage:
    """A stack, and its peer that nobody has asked anything yet."""
    stack, peer = with_peer("3.5")
    peer.calls.clear()
    return stack, peer


@pytest.fixture
def impatient(with_peer: Callable[[str], Outage]) -> Outage:
    """The same with short time-outs, so that giving up takes a fraction of a second."""
    stack, peer = with_peer("0.4")
    peer.calls.clear()
    return stack, peer


def paid(call: Call, status: str = "COMPLETED", **more: Any) -> Answer:
    """The payment service's usual answer to a charge."""
    body = {"id": "f9a1b2c3-d4e5-6789-abcd-ef0123456789", "order_id": call.json["order_id"]}
    body |= {"amount": call.json["amount"], "status": status, "timestamp": "2025-11-10T12:05:00Z", **more}
    return Answer(201, body)


def voided(order_id: str) -> Answer:
    return Answer(200, {"id": "x", "order_id": order_id, "amount": 0, "status": "VOIDED", "timestamp": "x"})


def charges(*answers: Callable[[Call], Answer] | Answer) -> Script:
    """A script that answers charge after charge as given (the last one for all that follow), and every void."""
    asked: list[Call] = []

    def script(call: Call, _: int) -> Answer:
        if call.method == "POST" and call.path.endswith("/void/"):
            return voided(call.path.split("/")[-3])
        if call.method != "POST":
            return Answer(404, {"error": "Payment not found", "code": "payment_not_found"})
        asked.append(call)
        answer = answers[min(len(asked), len(answers)) - 1]
        return answer if isinstance(answer, Answer) else answer(call)

    return script


def charges_seen(peer: ScriptedPeer) -> list[Call]:
    return peer.calls_of("POST", "/api/payments/")


def voids_seen(peer: ScriptedPeer) -> list[Call]:
    return peer.calls_of("POST", "/void/")


def place(stack: Stack, **more: Any) -> Reply:
    return stack.orders.post("/api/orders/", {"customer_name": "Alice", "product_ids": [1, 2], **more})


def keyboards_held(stack: Stack, before: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """(reserved, sold) units of product 1, more than `before`."""
    ((reserved, sold),) = stack.services["product_stub"].rows("select reserved, sold from catalog_product where id=1")
    return reserved - before[0], sold - before[1]


def test_two_failures_are_followed_by_a_paid_order(outage: Outage) -> None:
    """500, 500, then paid: exactly three calls, each attempt with a key of its own, and the client sees PAID."""
    stack, peer = outage
    peer.script = charges(Answer(500), Answer(500), paid)
    before = keyboards_held(stack)
    placed = place(stack)
    assert (placed.status, placed.json["status"], placed.json["payment_status"]) == (201, "PAID", "COMPLETED")
    seen = charges_seen(peer)
    assert len(seen) == 3
    assert [call.headers["Idempotency-Key"] for call in seen] == [
        f"order-{placed.json['id']}-pay-{attempt}" for attempt in (1, 2, 3)
    ]
    assert all(call.json == seen[0].json for call in seen)
    assert seen[0].json == {"order_id": placed.json["id"], "amount": 50.0, "currency": "USD"}
    assert voids_seen(peer) == []
    wait_until(lambda: keyboards_held(stack, before) == (0, 1), what="the stock sold, behind the answer")


@pytest.mark.parametrize(
    "failure",
    [
        Answer(500),
        Answer(503, {"error": "busy", "code": "busy"}, {"Retry-After": "1"}),
        Answer(429, {"error": "slow down", "code": "too_many_requests"}),
        Answer(breaks=True),
        lambda call: paid(call, "FAILED", failure_code="processing_error", retryable=True),
        lambda call: paid(call, "FAILED"),
        lambda call: paid(call, "PENDING"),
    ],
    ids=["500", "503", "429", "reset", "retryable decline", "decline that does not say", "pending"],
)
def test_after_two_retries_the_order_is_cancelled(outage: Outage, failure: Any) -> None:
    """Exactly three calls; 400 `Payment failed` with the order; the stock is back and the payment voided."""
    stack, peer = outage
    peer.script = charges(failure)
    before = keyboards_held(stack)
    refused = place(stack)
    assert refused.status == 400
    assert (refused.json["status"], refused.json["error"]) == ("CANCELLED", "Payment failed")
    assert refused.json["cancellation_reason"] == "Payment failed"
    assert len(charges_seen(peer)) == 3
    assert [call.path for call in voids_seen(peer)] == [f"/api/payments/{refused.json['id']}/void/"]
    assert keyboards_held(stack, before) == (0, 0)


@pytest.mark.parametrize(
    "refusal",
    [
        lambda call: paid(call, "FAILED", failure_code="card_declined", retryable=False),
        Answer(402, {"error": "declined", "code": "declined"}),
        Answer(400, {"error": "bad", "code": "invalid"}),
        Answer(409, {"error": "voided", "code": "payment_voided"}),
    ],
    ids=["hard decline", "402", "400", "409"],
)
def test_a_refusal_is_not_tried_again(outage: Outage, refusal: Any) -> None:
    """One call: the answer would not change."""
    stack, peer = outage
    peer.script = charges(refusal)
    before = keyboards_held(stack)
    refused = place(stack)
    assert (refused.status, refused.json["error"]) == (400, "Payment failed")
    assert len(charges_seen(peer)) == 1
    assert keyboards_held(stack, before) == (0, 0)


def test_a_pending_answer_is_asked_for_again(outage: Outage) -> None:
    """ "Not known yet" is no failure: the next attempt finds it paid."""
    stack, peer = outage
    peer.script = charges(lambda call: paid(call, "PENDING"), paid)
    placed = place(stack)
    assert (placed.status, placed.json["status"]) == (201, "PAID")
    assert len(charges_seen(peer)) == 2


def test_answers_that_come_too_late_cancel_the_order(impatient: Outage) -> None:
    """Three attempts that time out: cancelled within the deadline, and the payment voided, for it may be charged."""
    stack, peer = impatient
    peer.script = charges(lambda call: Answer(**{**vars(paid(call)), "after_s": 30.0}))
    before = keyboards_held(stack)
    refused = place(stack)
    assert (refused.status, refused.json["error"]) == (400, "Payment failed")
    assert len(charges_seen(peer)) == 3
    assert len(voids_seen(peer)) == 1
    assert keyboards_held(stack, before) == (0, 0)


def test_an_answer_that_is_late_once_is_waited_for(impatient: Outage) -> None:
    """The first attempt times out, the second one is answered: paid once, because the peer sees whose order it is."""
    stack, peer = impatient
    peer.script = charges(Answer(after_s=30.0), paid)
    placed = place(stack)
    assert (placed.status, placed.json["status"]) == (201, "PAID")
    assert len(charges_seen(peer)) == 2


def test_a_payment_service_that_is_down_cancels_the_order(make_stack: MakeStack) -> None:
    """And once it is back, the worker makes sure that no money can be taken for the order any more."""
    stack = make_stack(without=["payment_service"])
    refused = place(stack)
    assert (refused.status, refused.json["error"]) == (400, "Payment failed")
    order_id = refused.json["id"]
    assert stack.orders.get(f"/api/orders/{order_id}/").json["status"] == "CANCELLED"
    assert keyboards_held(stack) == (0, 0)
    stack.restart("payment_service")
    stack.start_worker("order_service")
    wait_until(lambda: stack.payments.get(f"/api/payments/{order_id}/").status == 200, what="the tombstone")
    late = stack.payments.post("/api/payments/", {"order_id": order_id, "amount": "50.00"})
    assert (late.status, late.json["code"]) == (409, "payment_voided")


def test_an_order_is_shown_without_the_payment_service(make_stack: MakeStack) -> None:
    """With the last status known, within a second."""
    stack = make_stack()
    order = place(stack).json
    stack.services["payment_service"].kill()
    shown = stack.orders.get(f"/api/orders/{order['id']}/")
    assert (shown.status, shown.json) == (200, order)
    looked = stack.orders.post(f"/api/orders/{order['id']}/payment/")
    assert (looked.status, looked.json["code"]) == (503, "payment_service_unavailable")
    assert int(looked.headers["Retry-After"]) >= 1


def test_an_order_is_shown_quickly_while_the_payment_service_hangs(make_stack: MakeStack) -> None:
    """A peer that accepts and never answers costs the reader less than a second."""

    def script(call: Call, _: int) -> Answer:
        return paid(call) if call.method == "POST" else Answer(after_s=30.0)

    with scripted_peer(script) as peer:
        stack = make_stack(peers={"payment_service": peer.url})
        order = place(stack).json
        shown = stack.orders.request("GET", f"/api/orders/{order['id']}/")
        assert (shown.status, shown.json["payment_status"]) == (200, "COMPLETED")
        assert shown.elapsed_s < 1.0


def test_a_product_service_that_is_down_cancels_the_order(make_stack: MakeStack) -> None:
    """503 with Retry-After and the whole order; nothing is charged."""
    stack = make_stack(without=["product_stub"])
    refused = place(stack)
    assert (refused.status, refused.json["error"]) == (503, "Product service unavailable")
    assert (refused.json["status"], refused.json["cancellation_reason"]) == ("CANCELLED", "Product service unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    assert stack.payments.get(f"/api/payments/{refused.json['id']}/").status == 404
    assert stack.orders.get(f"/api/orders/{refused.json['id']}/").json["status"] == "CANCELLED"


def test_a_product_service_without_reservations_will_do(make_stack: MakeStack) -> None:
    """Only `GET /api/products/{id}/` is asked; existence and stock are checked."""
    catalogue = {"1": ("Keyboard", 30.0, 5), "2": ("Mouse", 20.0, 0)}

    def script(call: Call, _: int) -> Answer:
        number = call.path.strip("/").rpartition("/")[2]
        if number not in catalogue:
            return Answer(404, {"detail": "Not found."})
        name, price, stock = catalogue[number]
        return Answer(200, {"id": int(number), "name": name, "price": price, "stock": stock})

    with scripted_peer(script) as peer:
        stack = make_stack(
            peers={"product_stub": peer.url}, settings={"order_service": {"PRODUCT_RESERVATIONS": "off"}}
        )
        assert place(stack, product_ids=[1, 1]).json["status"] == "PAID"
        assert place(stack, product_ids=[1, 2]).json["error"] == "Product 2 is out of stock"
        assert place(stack, product_ids=[3, 1]).json["error"] == "Product 3 not found"
        assert {call.method for call in peer.calls} == {"GET"}
        assert {call.path for call in peer.calls} == {f"/api/products/{number}/" for number in (1, 2, 3)}
