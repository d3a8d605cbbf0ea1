"""The proof can fail: each invariant is seen to be violated with one rule taken away, and the same scenario is clean
without.

The bugs are in `planted/bugs.py`. They sleep in the services of one stack, and are woken up one at a time.
"""

import hmac
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import pytest

from tests.client import Http, Reply
from tests.faults.checking import Checker, Violation, checking
from tests.stack import ROOT, SERVICES, Stack, wait_until

MakeStack = Callable[..., Stack]
FOLDER: Final = Path(__file__).parent / "planted"
QUIET_WITHIN_S: Final = 300.0
CAUGHT_WITHIN_S: Final = 300.0
AMOUNT: Final = "40.00"
ITEMS: Final = [{"product_id": 2, "quantity": 2}]  # which cost as much

NOTICES_SECRET: Final = "whsec_of_the_gateway"

SETTINGS: Final[Mapping[str, str]] = {
    # Every answer of the gateway comes later than the lease lasts, so a worker takes each payment and refund up while
    # the request is still at it: all of them are seen to by two at once.
    "PAYMENT_LEASE_S": "0.1",
    "GATEWAY_DELAY_MS": "250-250",
    "GATEWAY_SUCCESS_RATE": "1",
    "GATEWAY_TIMEOUT_S": "0.3",
    "GATEWAY_SLOW_S": "0.4",
    "PAYMENT_SETTLE_S": "1",
    "STRIPE_WEBHOOK_SECRET": NOTICES_SECRET,
}


class Scene(NamedTuple):
    """A stack in which bugs can be woken up."""

    stack: Stack
    checker: Checker
    awake: Path


@pytest.fixture(scope="module")
def scene(make_module_stack: MakeStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    awake = tmp_path_factory.mktemp("awake")
    planted = {
        "PYTHONPATH": os.pathsep.join([str(FOLDER), str(ROOT)]),
        "PLANTED_BUGS": str(awake),
        "PLANTED_RELAY_LEASE_S": "0.5",
        "REQUESTS_AT_ONCE": "4",  # or two requests for one payment would never meet
        "LOG_LEVEL": "DEBUG",  # which has a line for each event that is published
    }
    settings = {name: planted | (dict(SETTINGS) if name == "payment_service" else {}) for name in SERVICES}
    stack = make_module_stack(settings=settings)
    # Whose name nobody knows: what counts is what is recorded for it.
    made = stack.orders.post("/api/webhooks/", {"url": "https://hooks.invalid/", "events": ["order.paid"]})
    assert made.status == 201
    stack.start_workers()
    with checking(stack) as checker:
        yield Scene(stack, checker, awake)


# ---- scenarios: what a client does. Each returns the ids that its findings are about.


def card(token: str = "tok_ok") -> dict[str, Any]:
    return {"payment_method": "CARD", "payment_method_details": {"token": token}}


def order(stack: Stack, **more: Any) -> Any:
    return stack.orders.post("/api/orders/", {"customer_name": "Alice", "items": ITEMS, **more}).json


def charge(stack: Stack, order_id: str, *, token: str = "", amount: str = AMOUNT, key: str | None = None) -> Reply:
    """By the simulated bank where there is a token, else at once."""
    at_the_bank = {"method": "CARD", "payment_method_details": {"token": token}} if token else {}
    return stack.payments.post("/api/payments/", {"order_id": order_id, "amount": amount, **at_the_bank}, key=key)


def is_taken(stack: Stack, order_id: str) -> str:
    """Wait for a charge whose request had lost its lease; the transaction."""

    def transaction() -> Any:
        found = stack.payments.get(f"/api/v1/payments/order/{order_id}").json
        return found["status"] == "captured" and found["transaction_id"]

    return str(wait_until(transaction, what="the charge is known"))


def a_reply_is_lost(stack: Stack) -> list[str]:
    order_id = str(uuid4())
    charge(stack, order_id, token="tok_charge_then_lose_reply")
    return [order_id]


def a_request_is_lost(stack: Stack) -> list[str]:
    order_id = str(uuid4())
    charge(stack, order_id, token="tok_lose_request")
    return [order_id]


def a_card_is_charged(stack: Stack) -> list[str]:
    order_id = str(uuid4())
    charge(stack, order_id, token="tok_ok")
    return [order_id]


def two_refunds_at_once(stack: Stack) -> list[str]:
    order_id = str(uuid4())
    charge(stack, order_id, token="tok_ok")
    transaction = is_taken(stack, order_id)

    def refund(_: int) -> Reply:
        return Http(stack.services["payment_service"].url).post(
            "/api/v1/payments/refund", {"transaction_id": transaction, "amount": "12.00"}
        )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(refund, range(2)))
    return [order_id]


def a_charge_comes_after_the_cancellation(stack: Stack) -> list[str]:
    order_id = order(stack, payment="later")["id"]
    stack.orders.post(f"/api/orders/{order_id}/cancel/", {})
    charge(stack, order_id)
    return [order_id]


def another_card_comes_after_the_decline(stack: Stack) -> list[str]:
    order_id = order(stack, **card("tok_card_declined"))["id"]
    charge(stack, order_id, token="tok_ok")
    return [order_id]


def a_paid_order_is_cancelled_before_it_knows(stack: Stack) -> list[str]:
    order_id = order(stack, payment="later")["id"]
    charge(stack, order_id)
    stack.orders.post(f"/api/orders/{order_id}/cancel/", {})
    return [order_id]


def a_refund_is_refused_for_good(stack: Stack) -> list[str]:
    order_id = str(uuid4())
    charge(stack, order_id, token="tok_refund_fails")
    is_taken(stack, order_id)
    stack.payments.post(f"/api/payments/{order_id}/void/", {})
    return [order_id]


def what_was_taken_is_disputed(stack: Stack) -> list[str]:
    order_id = str(uuid4())
    charge(stack, order_id, token="tok_ok")
    thing = {"id": f"dp_{uuid4().hex}", "charge": is_taken(stack, order_id), "amount": 3000, "currency": "usd"}
    about = {"object": thing | {"reason": "fraudulent", "status": "needs_response"}}
    body = json.dumps({"id": f"evt_{uuid4().hex}", "type": "charge.dispute.created", "data": about})
    at = int(time.time())
    mac = hmac.new(NOTICES_SECRET.encode(), f"{at}.{body}".encode(), "sha256").hexdigest()
    headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={at},v1={mac}"}
    assert stack.payments.request("POST", "/webhooks/stripe/", data=body, headers=headers).status == 200
    return [order_id]


def an_order_is_voided_while_its_payer_is_asked(stack: Stack) -> list[str]:
    order_id = str(uuid4())
    charge(stack, order_id, token="tok_3ds_ok")
    path = f"/api/payments/{order_id}/"
    wait_until(lambda: stack.payments.get(path).json["status"] == "REQUIRES_ACTION", what="the payer is asked")
    stack.payments.post(f"{path}void/", {})
    return [order_id]


def too_little_is_paid(stack: Stack) -> list[str]:
    order_id = order(stack, payment="later")["id"]
    charge(stack, order_id, amount="5.00")
    stack.orders.post(f"/api/orders/{order_id}/payment/", {})
    return [order_id]


def a_release_is_repeated(stack: Stack) -> list[str]:
    order_id, _ = (order(stack, payment="later")["id"] for _ in range(2))
    stack.orders.post(f"/api/orders/{order_id}/cancel/", {})
    stack.products.request("DELETE", f"/api/reservations/{order_id}/")
    return ["product 2"]


def an_order_is_cancelled(stack: Stack) -> list[str]:
    order_id = order(stack, payment="later")["id"]
    stack.orders.post(f"/api/orders/{order_id}/cancel/", {})
    return [order_id]


def an_order_is_paid(stack: Stack) -> list[str]:
    return [order(stack)["id"]]


def killed_after_the_answer(stack: Stack) -> list[str]:
    order_id = str(uuid4())
    charge(stack, order_id)
    stack.services["payment_service"].kill()
    stack.restart("payment_service")
    return [order_id]


def a_charge_has_a_key(stack: Stack) -> list[str]:
    charge(stack, str(uuid4()), key=str(uuid4()))
    return [""]


def a_key_comes_twice(stack: Stack) -> list[str]:
    key, order_id = str(uuid4()), str(uuid4())
    for _ in range(2):
        charge(stack, order_id, key=key)
    return [""]


class Plant(NamedTuple):
    """A bug, where it shows, and as a violation of what."""

    bug: str
    scenario: Callable[[Stack], list[str]]
    number: str
    caught_as: str


PLANTS: Final = (
    Plant("random_gateway_key", a_reply_is_lost, "I1", "one_charge_for_an_order_at_the_gateway"),
    Plant("refund_checked_then_written", two_refunds_at_once, "I2", "refunds_add_up"),
    Plant("dispute_only_kept", what_was_taken_is_disputed, "I2", "disputed_and_refunded_within_captured"),
    Plant("no_tombstone", a_charge_comes_after_the_cancellation, "I3", "cancelled_holds_no_money"),
    Plant("failed_payment_left_open", another_card_comes_after_the_decline, "I3", "cancelled_holds_no_money"),
    Plant("money_kept", a_paid_order_is_cancelled_before_it_knows, "I3", "cancelled_holds_no_money"),
    Plant("refusal_for_good_forgotten", a_refund_is_refused_for_good, "I3", "voided_holds_nothing"),
    Plant("given_up_unasked", an_order_is_voided_while_its_payer_is_asked, "I3", "confirmation_is_waited_for"),
    Plant("amount_not_looked_at", too_little_is_paid, "I3", "paid_is_captured_in_full"),
    Plant("released_twice", a_release_is_repeated, "I4", "counters_follow_the_reservations"),
    Plant("stock_kept", an_order_is_cancelled, "I4", "stock_follows_the_order"),
    Plant("sold_unasked", an_order_is_paid, "I4", "stock_follows_the_order"),
    Plant("change_without_event", an_order_is_paid, "I5", "every_change_has_its_event"),
    Plant("event_after_the_commit", killed_after_the_answer, "I5", "every_change_has_its_event"),
    Plant("nobody_takes_it_up", a_request_is_lost, "I6", "no_payment_is_left_unfinished"),
    Plant("move_without_fence", a_card_is_charged, "I7", "status_never_goes_back"),
    Plant("answered_before_written", a_charge_has_a_key, "I8", "what_was_answered_is_kept"),
    Plant("key_not_unique", a_key_comes_twice, "I9", "a_key_has_one_answer"),
    Plant("event_of_the_row_before", a_card_is_charged, "I10", "payment_follows_from_its_events"),
    Plant("webhook_forgotten", an_order_is_paid, "I11", "what_a_webhook_asked_for_is_recorded"),
)
SCENARIOS: Final = {plant.scenario.__name__: plant.scenario for plant in PLANTS}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_without_a_bug_nothing_is_violated(scenario: Callable[[Stack], list[str]], scene: Scene) -> None:
    """What the bugs are caught in is clean by itself."""
    scenario(scene.stack)
    assert scene.checker.settle(within_s=QUIET_WITHIN_S) == []


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.number}-{plant.bug}")
def test_a_planted_bug_is_caught(plant: Plant, scene: Scene, result_log: Callable[..., None]) -> None:
    """One rule is taken away: the checker names the invariant, and the order or row."""
    before = scene.checker.violations()
    awake = scene.awake / plant.bug
    awake.touch()
    try:
        about = plant.scenario(scene.stack)

        def caught() -> list[Violation]:
            found = scene.checker.violations(known=before)
            return [each for each in found if each.name == plant.caught_as and _is_about(each, about)]

        (first, *_) = wait_until(caught, within_s=CAUGHT_WITHIN_S, what=f"{plant.bug} is caught")
    finally:
        awake.unlink()
    assert first.number == plant.number
    result_log(
        f"Planted bug: {plant.bug.replace('_', ' ')}",
        injected=plant.scenario.__name__.replace("_", " "),
        times=1,
        checks=f"caught as {first.number} {first.name}",
    )


def test_an_event_marked_before_it_is_acknowledged_is_missed(scene: Scene, result_log: Callable[..., None]) -> None:
    """A worker dies while it publishes: with the mark before the acknowledgement (I5) events are lost, else none is."""
    assert never_published(scene) == []
    awake = scene.awake / "marked_before_acknowledged"
    awake.touch()
    try:
        lost = never_published(scene)
    finally:
        awake.unlink()
    assert lost != []
    result_log(
        "Planted bug: marked before acknowledged",
        injected="kill -9 of a worker while it publishes",
        times=2,
        checks=f"caught as I5: {len(lost)} events marked as published are in no publication; without the bug 0",
        numbers=3,
    )


def never_published(scene: Scene) -> list[int]:
    """Have an order's events published by a worker that dies on its way; those marked as published that never were."""
    worker, service = scene.stack.workers[0], scene.stack.services["order_service"]
    (scene.awake / "dies_while_publishing").touch()
    order_id = order(scene.stack)["id"]
    wait_until(lambda: not worker.is_running, what="the worker dies")
    worker.start()
    query = "select sequence from events_event where aggregateid = ? and published_at is {}"
    wait_until(lambda: not service.rows(query.format("null"), order_id), what="all are marked")
    lines = [json.loads(line) for line in worker.log_text().splitlines() if '"event.published"' in line]
    published = {line["sequence"] for line in lines if line["subject"] == order_id}
    return sorted({sequence for (sequence,) in service.rows(query.format("not null"), order_id)} - published)


def test_every_invariant_has_a_planted_bug() -> None:
    """None of them is only believed to be checked."""
    assert {plant.number for plant in PLANTS} == {f"I{n}" for n in range(1, 12)}


def _is_about(violation: Violation, ids: list[str]) -> bool:
    return any(each in f"{violation.subject} {violation.message}" for each in ids)
