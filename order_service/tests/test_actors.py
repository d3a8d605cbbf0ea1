"""The actor of an event: the client, the peer service that sent a notice, or a part of the service itself."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from order_service.orders import composition
from order_service.tests.conftest import Shop
from order_service.tests.fakes import Fault
from servicekit.apikeys import guard, issuing
from servicekit.apikeys.ring import Ring
from servicekit.observability import actor

ORDER = {"customer_name": "Alice", "product_ids": [1, 2]}


@pytest.fixture
def api(shop: Shop, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Client:
    monkeypatch.setattr(composition, "a_run", shop.run)
    monkeypatch.setattr(guard, "ring", Ring())
    settings.API_AUTH = True
    actor.act_as(actor.COMMAND)
    return Client()


def key(name: str, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuing.create(name, scopes)}"}


def post(api: Client, path: str, headers: dict[str, str], body: object = None) -> Any:
    content = "" if body is None else json.dumps(body)
    return api.post(path, content, content_type="application/json", headers=headers).json()


def who(api: Client, order: str, reader: dict[str, str]) -> dict[str, str]:
    """Who caused each event, as a client reads it."""
    items = api.get(f"/api/orders/{order}/events/", headers=reader).json()["items"]
    return {each["type"]: each["actor"] for each in items}


def test_who_asks_and_who_tells_of_a_payment_are_told_apart(api: Client, shop: Shop) -> None:
    """An order of the shop's, paid by what the payment service tells, cancelled by the back office."""
    shop_key, telling = (
        key("shop", "orders:write", "orders:read"),
        key("payment-service", "orders:read", "orders:write"),
    )
    office = key("back office", "orders:cancel")
    order = post(api, "/api/orders/", shop_key, {**ORDER, "payment": "later"})["id"]
    shop.payments.pay(UUID(order), Decimal("20.00"))
    assert post(api, f"/api/orders/{order}/payment/", telling)["status"] == "PAID"
    assert post(api, f"/api/orders/{order}/cancel/", office)["status"] == "REFUNDED"
    found = who(api, order, shop_key)
    assert [found[kind] for kind in ("order.created", "order.paid", "order.refunded")] == [
        "shop",
        "payment-service",
        "back office",
    ]


def test_what_a_request_left_unfinished_is_the_workers(api: Client, shop: Shop) -> None:
    """The worker acts after the client was answered, so the events are its own."""
    shop.payments.fail("charge", Fault.OUTAGE_BEFORE, Fault.OUTAGE_BEFORE, Fault.OUTAGE_BEFORE)
    shop.payments.fail("void", Fault.OUTAGE_BEFORE)
    shop_key = key("shop", "orders:write", "orders:read")
    order = post(api, "/api/orders/", shop_key, ORDER)["id"]
    assert "order.closed" not in who(api, order, shop_key)
    shop.make_due()
    call_command("worker", once=True)
    found = who(api, order, shop_key)
    assert [found[kind] for kind in ("order.created", "order.cancelled", "order.closed")] == ["shop", "shop", "worker"]


def test_what_kafka_tells_is_the_consumers(db: None) -> None:
    """From the start of its process on."""
    actor.act_as(actor.COMMAND)
    with pytest.raises(CommandError, match="there is nothing to consume from"):
        call_command("consume_payments")
    assert actor.current() == actor.CONSUMER
