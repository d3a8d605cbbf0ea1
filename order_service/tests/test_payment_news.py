"""Learning of payments from events: what is noted, what is asked, where the order ends, whatever is delivered when."""

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from order_service.orders import event_handlers, payment_hints, writes
from order_service.orders.models import Order
from order_service.orders.payment_hints import News
from order_service.orders.states import Status, Step
from order_service.orders.worker_jobs import ask_once
from order_service.tests.conftest import Shop, the_order, trail
from order_service.tests.fakes import Fault, Killed
from servicekit import exactjson
from servicekit.db.clock import seconds_from_now
from servicekit.inbox.messages import Message
from servicekit.inbox.models import Consumed, Parked
from servicekit.inbox.receive import receive

TOTAL = Decimal("20.00")


def event(kind: str, order_id: Any, *, offset: int = 0) -> Message:
    """As the payment service publishes it."""
    attributes = {"specversion": "1.0", "id": str(uuid4()), "source": "/payment_service", "type": f"payment.{kind}"}
    headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    return Message("payments", 0, offset, b"", headers, exactjson.encode({"order_id": order_id}))


def hear(*messages: Message) -> list[str]:
    return [receive(message, event_handlers.subscription()) for message in messages]


def ask(shop: Shop) -> int:
    """Every wait of a question is over."""
    Order.objects.filter(ask_at__isnull=False).update(ask_at=seconds_from_now(-1))
    return ask_once(shop.run())


def test_an_order_that_was_paid_elsewhere_is_settled(shop: Shop) -> None:
    """Noted with the event, asked about after it, and then nothing is left to ask."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, TOTAL)
    assert hear(event("successful", str(order.uid))) == ["noted"]
    assert (the_order().status, shop.payments.calls["find"]) == ("PENDING", 0)
    assert ask(shop) == 1
    assert (the_order().status, the_order().step, the_order().ask_at) == ("PAID", "closed", None)
    assert shop.products.reservations == {order.uid: "sold"}
    assert ask(shop) == 0


def test_an_order_that_was_refunded_elsewhere_is_refunded(shop: Shop) -> None:
    """The stock comes back; a part of the money changes only what is shown."""
    order = shop.place()
    shop.payments.statuses[order.uid] = "PARTIALLY_REFUNDED"
    assert hear(event("refunded", str(order.uid))) == ["noted"]
    ask(shop)
    assert (the_order().status, the_order().payment_status, the_order().ask_at) == ("PAID", "PARTIALLY_REFUNDED", None)
    shop.payments.statuses[order.uid] = "REFUNDED"
    hear(event("refunded", str(order.uid)))
    ask(shop)
    assert (the_order().status, the_order().step, the_order().ask_at) == ("REFUNDED", "closed", None)
    assert shop.products.sold_returned == {order.uid: 1}


def test_what_an_event_says_is_not_believed(shop: Shop) -> None:
    """Whoever can write to the topic can have an order looked at, no more."""
    order = shop.place(pay_later=True)
    assert hear(event("successful", str(order.uid)), event("refunded", str(order.uid))) == ["noted", "noted"]
    ask(shop)
    assert (the_order().status, the_order().ask_at) == ("PENDING", None)
    assert trail(order) == ["order.created", "order.reserved"]


def test_a_payment_for_a_cancelled_order_goes_back(shop: Shop) -> None:
    """Also for one that never was to be paid."""
    shop.products.refuse_with = "Product 1 is out of stock"
    order = shop.place()
    shop.payments.pay(order.uid, TOTAL)
    assert hear(event("successful", str(order.uid))) == ["noted"]
    ask(shop)
    assert (shop.payments.statuses[order.uid], the_order().status) == ("REFUNDED", "CANCELLED")
    assert the_order().ask_at is None


@pytest.mark.parametrize("order_id", ["900342", "not-an-id", "7d1f6a0e-0000-4000-8000-000000000000"])
def test_orders_of_others_are_passed_over(shop: Shop, order_id: str) -> None:
    """The payment service has other clients: nothing is parked, nobody is asked."""
    assert hear(event("successful", order_id)) == ["unknown_order"]
    assert (Parked.objects.count(), ask(shop), shop.payments.calls) == (0, 0, {})


@pytest.mark.parametrize("order_id", [None, 17, ["x"], {}], ids=repr)
def test_an_event_that_names_no_order_is_parked(shop: Shop, order_id: Any) -> None:
    """It is not what the payment service publishes: somebody should look."""
    assert hear(event("successful", order_id)) == ["parked"]
    assert (Parked.objects.get().reason, Consumed.objects.count()) == ("unknown_schema", 0)


@pytest.mark.parametrize("kind", ["requires_action", "authorized", "imported"])
def test_what_changes_no_order_leaves_nothing(shop: Shop, kind: str) -> None:
    """Not even a row."""
    order = shop.place(pay_later=True)
    assert hear(event(kind, str(order.uid))) == ["ignored"]
    assert (the_order().ask_at, Consumed.objects.count()) == (None, 0)


def test_the_sagas_own_payments_are_no_news(shop: Shop) -> None:
    """An order that is paid at once is not asked about for it."""
    order = shop.place()
    assert hear(event("successful", str(order.uid))) == ["no_news"]
    assert (the_order().ask_at, shop.payments.calls["find"]) == (None, 0)


@pytest.mark.parametrize("what", list(News))
@pytest.mark.parametrize("pay_later", [False, True])
@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("status", list(Status))
def test_who_is_concerned_is_a_table(shop: Shop, status: Status, step: Step, pay_later: bool, what: News) -> None:
    """Every order, whether it can be or not; and what is not noted is what the saga finds out, or what is over."""
    order = shop.place(pay_later=True)
    Order.objects.update(status=status.value, step=step.value, pay_later=pay_later, paid_at=seconds_from_now(0))
    is_concerned = {
        (News.TAKEN, Status.PENDING): pay_later or step != Step.RESERVED,
        (News.TAKEN, Status.CANCELLED): True,
        (News.GIVEN_BACK, Status.PENDING): True,
        (News.GIVEN_BACK, Status.PAID): step != Step.REFUNDING,
        (News.KEPT, Status.PAID): step != Step.REFUNDING,
        (News.KEPT, Status.CANCELLED): True,
    }.get((what, status), False)
    assert payment_hints.note(order.uid, what) is is_concerned
    assert (the_order().ask_at is not None) is is_concerned


def test_an_order_that_somebody_has_in_hand_is_asked_about_when_it_rests(shop: Shop) -> None:
    """Refunded elsewhere while its sale is still being confirmed: noted, kept, and found when that is over."""
    shop.products.fail("confirm", Fault.OUTAGE_BEFORE, Fault.OUTAGE_BEFORE)
    order = shop.place()
    assert (order.status, order.step) == ("PAID", "settled")
    shop.payments.statuses[order.uid] = "REFUNDED"
    hear(event("refunded", str(order.uid)))
    assert (ask(shop), shop.payments.calls["find"]) == (0, 0)
    shop.work()
    assert (the_order().status, the_order().step) == ("PAID", "closed")
    assert ask(shop) == 1
    assert (the_order().status, the_order().step, the_order().ask_at) == ("REFUNDED", "closed", None)


def test_news_leaves_the_order_to_whoever_has_it(shop: Shop) -> None:
    """Noting it moves nothing: the version is the same, so the next move is not refused."""
    order = shop.place(pay_later=True)
    hear(event("successful", str(order.uid)))
    assert the_order().version == order.version
    assert writes.cancel(order, "Cancelled on request").status == "CANCELLED"


def test_a_payment_service_that_is_away_is_asked_again(shop: Shop) -> None:
    """A few questions in a round, not one for each order; the wish is kept."""
    orders = [shop.place(pay_later=True) for _ in range(5)]
    for order in orders:
        shop.payments.pay(order.uid, TOTAL)
        hear(event("successful", str(order.uid)))
    shop.payments.fail("find", *[Fault.OUTAGE_BEFORE] * 3)
    assert (ask(shop), shop.payments.calls["find"]) == (0, 3)
    assert Order.objects.filter(ask_at__isnull=False).count() == 5
    assert ask(shop) == 5
    assert {order.status for order in Order.objects.all()} == {"PAID"}


@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER])
def test_a_process_that_dies_while_it_asks_loses_nothing(shop: Shop, fault: Fault) -> None:
    """The next one asks when the lease has run out."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, TOTAL)
    hear(event("successful", str(order.uid)))
    shop.payments.fail("find", fault)
    with pytest.raises(Killed):
        ask(shop)
    assert ask_once(shop.run()) == 0  # the lease
    assert ask(shop) == 1
    assert the_order().status == "PAID"


def waiting_for(order: Order) -> payment_hints.Waiting:
    return payment_hints.Waiting(order.number, order.uid)


def test_news_that_comes_while_it_is_asked_is_not_forgotten(shop: Shop) -> None:
    """The answer may be from before it."""
    order = waiting_for(shop.place(pay_later=True))
    hear(event("successful", str(order.uid)))
    claimed = payment_hints.claim(order)
    assert claimed is not None
    hear(event("refunded", str(order.uid)))
    payment_hints.forget(order, claimed)
    assert the_order().ask_at is not None
    claimed = payment_hints.claim(order)
    assert claimed is not None
    payment_hints.forget(order, claimed)
    assert the_order().ask_at is None


def test_two_do_not_ask_at_once(shop: Shop, settings: Any) -> None:
    """A worker and a consumer, say; and one that slept past its lease forgets nothing of the other's."""
    order = waiting_for(shop.place(pay_later=True))
    hear(event("successful", str(order.uid)))
    first = payment_hints.claim(order)
    assert first is not None
    assert payment_hints.claim(order) is None
    Order.objects.update(ask_at=seconds_from_now(-1))
    settings.ORDER_LEASE_S += 1  # so much later is the second one's end, too
    second = payment_hints.claim(order)
    assert second not in (None, first)
    payment_hints.forget(order, first)
    assert the_order().ask_at == second


KINDS: Sequence[str] = ("successful", "refunded", "refunded")


@pytest.mark.parametrize("order_of_delivery", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("asked_between", [False, True])
def test_any_order_of_delivery_ends_the_same(
    shop: Shop, order_of_delivery: tuple[int, ...], asked_between: bool
) -> None:
    """Captured, refunded in part, refunded: all three have happened by the time that they come, each of them twice."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, TOTAL)
    messages = [event(kind, str(order.uid), offset=n) for n, kind in enumerate(KINDS)]
    hear(messages[0])
    ask(shop)
    assert the_order().status == "PAID"
    shop.payments.statuses[order.uid] = "REFUNDED"
    for n in (*order_of_delivery, *reversed(order_of_delivery)):
        hear(messages[n])
        if asked_between:
            ask(shop)
    ask(shop)
    assert (the_order().status, the_order().step, the_order().ask_at) == ("REFUNDED", "closed", None)
    assert trail(order).count("order.refunded") == 1
    assert Consumed.objects.count() == 3


def test_an_id_in_capitals_is_the_same_order(shop: Shop) -> None:
    """Whatever form a UUID has."""
    order = shop.place(pay_later=True)
    assert hear(event("successful", str(order.uid).upper())) == ["noted"]


def test_metrics_say_what_was_heard_and_what_is_still_to_be_asked(shop: Shop, client: Client) -> None:
    """In the process that heard, and from the database what waits and what is parked."""
    order = shop.place(pay_later=True)
    hear(event("successful", str(order.uid)), event("refunded", None, offset=1))
    told = client.get("/metrics").content.decode()
    assert 'events_consumed_total{consumer="order_service",outcome="noted",type="payment.successful"}' in told
    assert "orders_with_payment_news 1.0" in told
    assert 'events_parked{consumer="order_service"} 1.0' in told
