"""In which money an order may be: that of the catalogue, and in amounts that it has coins for."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from order_service.orders import composition
from order_service.orders.models import Order
from order_service.tests.conftest import Shop, the_order
from servicekit import exactjson

ALICE = {"customer_name": "Alice", "product_ids": [1, 2]}


@pytest.fixture
def api(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(composition, "a_run", shop.run)
    return Client()


def post(api: Client, **more: Any) -> Any:
    return api.post("/api/orders/", {**ALICE, **more}, content_type="application/json")


@pytest.mark.parametrize("currency", ["EUR", "IRR", "JPY", "eur", "KWD"])
def test_a_currency_that_the_catalogue_does_not_have_is_refused(api: Client, shop: Shop, currency: str) -> None:
    """400 that names the field and those that there are; no order is stored, nobody is asked."""
    refused = post(api, currency=currency)
    assert refused.status_code == 400
    assert refused.json() == {
        "error": "currency: Prices are in USD.",
        "code": "invalid",
        "fields": {"currency": ["Prices are in USD."]},
    }
    assert not Order.objects.exists()
    assert (shop.products.calls, shop.payments.calls) == ({}, {})


def test_an_order_is_in_the_first_currency_unless_it_names_another(api: Client, settings: Any) -> None:
    """Of those that the setting lists."""
    settings.ORDER_CURRENCIES = ["EUR", "USD"]
    assert [post(api).json()["currency"], post(api, currency="usd").json()["currency"]] == ["EUR", "USD"]
    assert post(api, currency="JPY").json()["fields"] == {"currency": ["Prices are in EUR, USD."]}


@pytest.mark.parametrize("payment", ["now", "later"])
@pytest.mark.parametrize("currency", ["JPY", "KRW", "CLP"])
def test_a_price_that_its_currency_has_no_coins_for_ends_the_order_before_stock_is_held(
    api: Client, shop: Shop, settings: Any, currency: str, payment: str
) -> None:
    """The true reason, whenever it was to be paid; nothing was reserved and nothing charged."""
    settings.ORDER_CURRENCIES = ["USD", currency]
    shop.products.price = Decimal("19.99")
    refused = post(api, currency=currency, payment=payment)
    body = exactjson.decode(refused.content)
    assert refused.status_code == 400
    assert body["error"] == body["cancellation_reason"] == f"Product 1 costs 19.99, and {currency} has no decimals"
    assert (body["status"], body["code"], body["currency"]) == ("CANCELLED", "order_cancelled", currency)
    assert shop.products.calls["reserve"] == 0
    assert shop.payments.calls == {}
    assert the_order().step == "closed"


def test_a_whole_price_is_paid_in_a_currency_without_decimals(api: Client, shop: Shop, settings: Any) -> None:
    """2,000 yen."""
    settings.ORDER_CURRENCIES = ["JPY"]
    shop.products.price = Decimal("1000.00")
    assert (post(api).json()["status"], shop.payments.amounts) == ("PAID", {the_order().uid: Decimal("2000.00")})


def test_a_price_that_changes_while_it_is_reserved_ends_the_order_all_the_same(
    api: Client, shop: Shop, settings: Any
) -> None:
    """Whole when it was looked at, a fraction when it was reserved: what is held is let go."""
    settings.ORDER_CURRENCIES = ["JPY"]
    looked_at = shop.products.prices
    shop.products.price = Decimal("10.50")
    shop.products.prices = lambda lines: dict.fromkeys(looked_at(lines), Decimal("10.00"))
    refused = post(api)
    assert refused.json()["error"] == "Product 1 costs 10.50, and JPY has no decimals"
    assert shop.products.reservations == {the_order().uid: "released"}


def test_prices_are_not_looked_at_first_where_the_currency_has_decimals(api: Client, shop: Shop) -> None:
    """The common order is not to pay for it."""
    assert post(api).json()["status"] == "PAID"
    assert shop.products.calls["prices"] == 0


def test_a_resumed_order_is_not_refused_for_the_stock_that_it_holds_itself(shop: Shop, settings: Any) -> None:
    """Only prices are looked at first, never stock."""
    assert shop.products.prices([]) == {}


@pytest.mark.parametrize("payment", ["now", "later"])
def test_an_order_that_costs_nothing_is_told_so(api: Client, shop: Shop, payment: str) -> None:
    """A free product may be among others; nobody can pay a total of zero."""
    shop.products.price = Decimal("0.00")
    refused = post(api, payment=payment)
    assert (refused.status_code, refused.json()["error"]) == (400, "Order total must be positive")
    assert shop.products.reservations == {the_order().uid: "released"}
    assert shop.payments.calls == {}


def test_out_of_stock_and_too_large_at_once_shows_no_amount_that_is_none(api: Client, shop: Shop) -> None:
    """The line's price and quantity stand there; what they come to has 13 digits, and is null."""
    shop.products.price = Decimal("9999999999.99")
    shop.products.refuse_with = "Product 1 is out of stock"
    refused = api.post(
        "/api/orders/",
        {"customer_name": "Alice", "items": [{"product_id": 1, "quantity": 1000}]},
        content_type="application/json",
    )
    body = exactjson.decode(refused.content)
    assert (refused.status_code, body["error"]) == (400, "Product 1 is out of stock")
    (item,) = body["items"]
    assert (item["unit_price"], item["quantity"], item["line_total"]) == (Decimal("9999999999.99"), 1000, None)
    assert body["total_amount"] == 0
    assert exactjson.decode(api.get(f"/api/orders/{body['id']}/").content)["items"] == [item]
