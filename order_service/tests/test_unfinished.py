"""Which orders are unfinished, and since when: since they were last at rest, whatever was tried meanwhile."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.db.models import Count
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from order_service.orders import composition, reads, use_cases
from order_service.orders.models import Order
from order_service.tests.conftest import Shop, the_order
from order_service.tests.fakes import HARD_DECLINE, Fault, Killed
from servicekit.web.paging import Place


@pytest.fixture
def api(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(composition, "a_run", shop.run)
    return Client()


def unfinished(api: Client, seconds: int, **more: str) -> list[int]:
    page = api.get("/api/orders/", {"unfinished_for": str(seconds), **more}).json()
    assert page["total"] == len(page["items"])
    return [order["number"] for order in page["items"]]


def compensating(shop: Shop) -> Order:
    """An order that was declined, and whose payment cannot be voided now."""
    shop.payments.answers = [HARD_DECLINE]
    shop.payments.fail("void", *[Fault.OUTAGE_BEFORE] * 50)
    return shop.place()


def age(order: Order, seconds: float) -> None:
    Order.objects.filter(pk=order.pk).update(unsettled_since=timezone.now() - timedelta(seconds=seconds))


def test_an_order_that_is_done_is_not_unfinished(api: Client, shop: Shop) -> None:
    """Paid and confirmed."""
    assert shop.place().unsettled_since is None
    assert the_order().unsettled_since is None
    assert unfinished(api, 0) == []


def test_the_list_has_those_that_have_been_unfinished_for_so_long(api: Client, shop: Shop) -> None:
    """Newest first, with the other filters."""
    old = compensating(shop)
    young = compensating(shop)
    shop.place()
    age(old, 3000)
    age(young, 10)
    assert unfinished(api, 0) == [young.number, old.number]
    assert unfinished(api, 1000) == [old.number]
    assert unfinished(api, 4000) == []
    assert unfinished(api, 0, status="CANCELLED") == [young.number, old.number]
    assert unfinished(api, 0, status="PAID") == []
    assert unfinished(api, 0, per_page="200", customer_name="Alice") == [young.number, old.number]


def test_trying_again_makes_no_order_younger(api: Client, shop: Shop) -> None:
    """Neither a worker that takes it up, nor a postponement, nor a next attempt."""
    order = compensating(shop)
    age(order, 1000)
    since = the_order().unsettled_since
    for _ in range(5):
        shop.work_once()
    order = the_order()
    assert (order.step, order.retry_count, order.unsettled_since) == ("compensating", 6, since)
    assert unfinished(api, 999) == [order.number]


def test_the_age_goes_on_from_step_to_step(shop: Shop) -> None:
    """Placed, killed, resumed, declined and compensating: it was at rest at no time."""
    shop.products.fail("reserve", Fault.KILLED_AFTER)
    shop.payments.answers = [HARD_DECLINE]
    shop.payments.fail("void", Fault.OUTAGE_BEFORE)
    with pytest.raises(Killed):
        shop.place()
    order = the_order()
    assert order.unsettled_since == order.created_at
    shop.work_once()
    assert (the_order().step, the_order().unsettled_since) == ("compensating", order.created_at)


def test_an_order_that_waits_for_its_customer_is_unfinished_when_it_has_expired(api: Client, shop: Shop) -> None:
    """Before that it is its customer's business; afterwards ours, from that moment on."""
    order = shop.place(pay_later=True)
    assert (order.unsettled_since, unfinished(api, 0)) == (order.expires_at, [])
    past = timezone.now() - timedelta(seconds=50)
    Order.objects.update(expires_at=past, unsettled_since=past, due_at=past)
    assert (unfinished(api, 49), unfinished(api, 3600)) == ([order.number], [])
    shop.payments.fail("find", Fault.OUTAGE_BEFORE)
    shop.work_once()  # nobody knows whether it was paid: the next look is in the future
    assert unfinished(api, 49) == [order.number]


def test_an_order_that_is_paid_while_it_waits_is_young(shop: Shop) -> None:
    """It was at rest until now."""
    order = shop.place(pay_later=True)
    shop.payments.pay(order.uid, order.total_amount)
    shop.products.fail("confirm", Fault.OUTAGE_BEFORE)
    before = timezone.now()
    use_cases.look_again(str(order.uid), shop.run())
    since = the_order().unsettled_since
    assert (the_order().step, since is not None and before <= since <= timezone.now()) == ("settled", True)


def test_an_order_that_is_cancelled_after_its_end_is_young(shop: Shop) -> None:
    """From the wish to cancel it on, not from when it was placed."""
    order = shop.place()
    Order.objects.update(created_at=timezone.now() - timedelta(days=30))
    shop.payments.fail("void", Fault.OUTAGE_BEFORE)
    before = timezone.now()
    use_cases.cancel_order(str(order.uid), shop.run())
    since = the_order().unsettled_since
    assert (the_order().step, since is not None and since >= before) == ("refunding", True)


def test_an_order_of_the_old_code_has_the_age_of_its_last_move(api: Client, shop: Shop) -> None:
    """Which is all that is known of it; from its next move on that stays."""
    order = compensating(shop)
    then = timezone.now() - timedelta(seconds=300)
    Order.objects.update(unsettled_since=None, updated_at=then)
    assert (unfinished(api, 299), unfinished(api, 400)) == ([order.number], [])
    shop.work_once()
    assert unfinished(api, 299) == [order.number]


@pytest.mark.parametrize(
    "value", ["", "-1", "1.5", "1_0", "soon", "%D9%A1", "315360001", "9" * 30, "1&unfinished_for=2"]
)
def test_a_number_of_seconds_that_is_none_is_refused(api: Client, db: None, value: str) -> None:
    """A filter is never ignored."""
    response = api.get(f"/api/orders/?unfinished_for={value}")
    assert response.status_code == 400
    assert "unfinished_for" in response.json()["fields"]


def test_the_admin_filters_them(shop: Shop, admin_client: Client) -> None:
    """The same orders, for whoever looks there."""
    order = compensating(shop)
    shop.place()
    age(order, 120)
    path = "/admin/orders/order/"
    for seconds, found in (("0", True), ("60", True), ("900", False)):
        page = admin_client.get(path, {"unfinished_for": seconds}).content.decode()
        assert (str(order.uid) in page) is found


def test_they_are_found_through_the_index_of_orders_that_are_due(shop: Shop) -> None:
    """Which has no finished order in it, so however many of those there are costs nothing."""
    with CaptureQueriesContext(connection) as asked:
        reads.list_orders(place=Place(20, 1, None, ""), filters={}, unfinished_for=60)
        list(reads.unfinished().order_by().values_list("step").annotate(Count("number")))
        reads.awaiting_payment().count()
    assert len(asked) == 4
    if connection.vendor == "sqlite":  # on a table with nothing in it the others read all of it
        for query in asked:
            with connection.cursor() as cursor:
                cursor.execute(f"explain query plan {query['sql']}")
                plan = " ".join(str(row) for row in cursor.fetchall())
            assert "order_due" in plan, plan


def test_the_time_is_kept_as_the_move_wrote_it(shop: Shop) -> None:
    """The object that a move returns says what its row says."""
    order = compensating(shop)
    assert isinstance(order.unsettled_since, datetime)
    assert order.unsettled_since == the_order().unsettled_since
