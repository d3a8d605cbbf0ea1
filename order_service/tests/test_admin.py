"""The admin: people may search and read, and change nothing."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from order_service.orders.models import Order
from order_service.tests.conftest import Shop
from servicekit.tests.looking import assert_nothing_hidden_can_be_probed


@pytest.fixture
def admin(shop: Shop, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.mark.parametrize("query", ["", "?q=Alice", "?status__exact=PAID", "?step__exact=closed", "?pay_later__exact=0"])
def test_orders_are_listed_searched_and_filtered(admin: Client, shop: Shop, query: str) -> None:
    """Each way finds the one order."""
    order = shop.place()
    response = admin.get(f"/admin/orders/order/{query}")
    assert response.status_code == 200
    assert str(order.uid) in response.content.decode()


def test_number_and_id_find_exactly_their_order(admin: Client, shop: Shop) -> None:
    """And nothing else."""
    order, other = shop.place(), shop.place()
    for reference in (order.number, order.uid):
        page = admin.get(f"/admin/orders/order/?q={reference}").content.decode()
        assert str(order.uid) in page
        assert str(other.uid) not in page


def test_order_can_be_read_and_not_written(admin: Client, shop: Shop) -> None:
    """What moves an order is the saga, not a form."""
    order = shop.place()
    before = Order.objects.values().get()
    page = admin.get(f"/admin/orders/order/{order.pk}/change/")
    assert page.status_code == 200
    assert "_save" not in page.content.decode()
    assert admin.post(f"/admin/orders/order/{order.pk}/change/", {"status": "CANCELLED"}).status_code == 403
    assert admin.post(f"/admin/orders/order/{order.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get("/admin/orders/order/add/").status_code == 403
    assert Order.objects.values().get() == before


@pytest.mark.parametrize("model", ["events/event", "idempotency/idempotencykey"])
def test_trail_and_keys_are_listed(admin: Client, shop: Shop, model: str) -> None:
    """The plumbing's tables too."""
    shop.place()
    assert admin.get(f"/admin/{model}/").status_code == 200


def test_nobody_gets_in_without_logging_in(client: Client, db: None) -> None:
    """A visitor is sent to the log-in page."""
    response = client.get("/admin/orders/order/")
    assert (response.status_code, response["Location"]) == (302, "/admin/login/?next=/admin/orders/order/")


@pytest.mark.django_db
def test_staff_cannot_probe_what_the_admin_hides(admin_client: Client) -> None:
    """Tokens, keys and whatever else is in a column: 400 for every filter that is not beside the list."""
    assert_nothing_hidden_can_be_probed(admin_client)


def test_the_admin_speaks_to_a_person(admin: Client, shop: Shop) -> None:
    """By the service's name, with a hint for the search, plural names that are some, and no half id or red cross."""
    shop.place(pay_later=True)
    page = admin.get("/admin/orders/order/").content.decode()
    assert "Order service" in page
    assert "Django administration" not in page
    assert "An order&#x27;s number or id" in page
    assert "icon-no" not in page
    index = admin.get("/admin/").content.decode()
    assert "Consumed events" in index
    assert "Parked messages: could not be taken" in index


def test_an_order_s_page_tells_its_story(admin: Client, shop: Shop) -> None:
    """Its id, events, what was asked for in words, and the ways to its events and to the page."""
    order = shop.place()
    page = admin.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert str(order.uid) in page
    assert "1 of product 1, 1 of product 2" in page
    assert "<b>paid</b> by" in page
    assert f"/admin/events/event/?q={order.uid}" in page
    assert f"http://localhost:8003/orders/{order.number}/" in page
    assert "never: nothing is left to do" in page
