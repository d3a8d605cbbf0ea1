"""The admin: to look and search; stock and reservations cannot be edited in it."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client

from product_stub.catalog import writes
from product_stub.catalog.models import Product, Reservation, Restock
from product_stub.tests.conftest import counters, make_product
from servicekit.tests.looking import assert_nothing_hidden_can_be_probed


@pytest.fixture
def browser(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="secret"))
    return client


def test_products_are_listed_and_found(browser: Client) -> None:
    """By name and by id."""
    assert b"Wireless Mouse" in browser.get("/admin/catalog/product/").content
    found = browser.get("/admin/catalog/product/?q=keyboard").content
    assert b"Mechanical Keyboard" in found
    assert b"Wireless Mouse" not in found


def test_reservations_are_filtered_by_status_and_found_by_id(browser: Client) -> None:
    """The filter and the search show only what was asked for."""
    for name in ("order-a", "order-b"):
        writes.reserve(name, wanted={1: 1})
    writes.confirm("order-b")
    held = browser.get("/admin/catalog/reservation/?status__exact=HELD").content
    assert b"order-a" in held
    assert b"order-b" not in held
    found = browser.get("/admin/catalog/reservation/?q=order-b").content
    assert b"order-b" in found
    assert b"order-a" not in found


def test_only_name_and_price_of_a_product_can_be_changed(browser: Client) -> None:
    """A form that sends counters too changes none of them."""
    product = make_product(3)
    page = f"/admin/catalog/product/{product.pk}/change/"
    body = {"name": "Lantern", "price": "9.00", "stock": "99", "reserved": "5", "sold": "5", "supplied": "5"}
    assert browser.post(page, body).status_code == 302
    product.refresh_from_db()
    assert (product.name, str(product.price)) == ("Lantern", "9.00")
    assert counters(product) == (3, 0, 0)


def test_a_products_name_is_no_card_number(browser: Client) -> None:
    """As at the API: the form says so, and nothing is changed."""
    product = make_product(3)
    page = f"/admin/catalog/product/{product.pk}/change/"
    refused = browser.post(page, {"name": "Lamp 4242-4242-4242-4242", "price": "9.00"})
    assert b"Must not have a card number in it." in refused.content
    product.refresh_from_db()
    assert product.name == "Lamp"


@pytest.mark.parametrize("model", ["product", "reservation", "restock"])
def test_nothing_is_added_or_deleted_by_hand(browser: Client, model: str) -> None:
    """403, and the rows are still there."""
    writes.reserve("r-1", wanted={1: 1})
    writes.restock(1, uid=uuid.uuid4(), quantity=1)
    row = {"product": Product, "reservation": Reservation, "restock": Restock}[model]._default_manager.first()
    assert row is not None
    assert browser.post(f"/admin/catalog/{model}/add/").status_code == 403
    assert browser.post(f"/admin/catalog/{model}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert (Product.objects.count(), Reservation.objects.count(), Restock.objects.count()) == (6, 1, 1)


def test_a_reservation_cannot_be_changed(browser: Client) -> None:
    """It can be looked at."""
    writes.reserve("r-1", wanted={1: 1})
    page = f"/admin/catalog/reservation/{Reservation.objects.get().pk}/change/"
    assert browser.get(page).status_code == 200
    assert browser.post(page, {"status": "RELEASED"}).status_code == 403
    assert Reservation.objects.get().status == "HELD"


def test_a_form_without_its_token_is_refused() -> None:
    """Forged on another site, say: 403 before anybody looks at what it wants."""
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "root", "password": "secret"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_only_the_admins_pages_are_for_browsers(browser: Client) -> None:
    """They may not be framed, and know who looks at them; the API sends no cookie and needs no token."""
    page = browser.get("/admin/")
    assert (page.status_code, page["X-Frame-Options"], page["Cross-Origin-Opener-Policy"]) == (
        200,
        "DENY",
        "same-origin",
    )
    assert Client().get("/admin/").status_code == 302
    answer = Client(enforce_csrf_checks=True).put("/api/reservations/r-1/", b"{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert not {"X-Frame-Options", "Set-Cookie", "Vary"} & set(answer.headers)
    assert not answer.cookies


@pytest.mark.django_db
def test_staff_cannot_probe_what_the_admin_hides(admin_client: Client) -> None:
    """Tokens, keys and whatever else is in a column: 400 for every filter that is not beside the list."""
    assert_nothing_hidden_can_be_probed(admin_client)
