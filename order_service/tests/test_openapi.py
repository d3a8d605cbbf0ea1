"""The committed OpenAPI document is the one that the code makes."""

from dataclasses import fields

import pytest
from django.test import Client

from order_service.orders import writes
from order_service.orders.api import docs
from order_service.orders.api.presenters import order_json
from order_service.orders.api.schemas import OrderOut, PlaceOrderIn
from order_service.orders.ports import LineAsked
from order_service.tests.conftest import Shop
from servicekit.tests.documents import assert_openapi_is_current
from servicekit.tests.looking import assert_every_list_is_a_read, assert_every_post_takes_a_key


def test_committed_document_is_current() -> None:
    """To the byte; the message has the command that makes it anew."""
    assert_openapi_is_current("order_service")


def test_every_list_has_slots_of_its_own() -> None:
    """A read never takes a slot from what moves something."""
    assert_every_list_is_a_read()


@pytest.mark.django_db
def test_what_is_shown_of_an_order_is_what_the_document_says(shop: Shop) -> None:
    """No field more and none less; nor has the example."""
    fields = {name for name, field in OrderOut().fields.items() if field.required}
    assert set(order_json(shop.place())) == set(docs._PAID) == fields


def test_what_a_client_sends_is_what_is_stored() -> None:
    """What the request's shape makes of a body is what the service takes: nothing is left on the way."""
    ways = {"payment": "later", "method": "card", "payment_method_details": {"token": "tok_x"}, "currency": "USD"}
    new = PlaceOrderIn.read({"customer_name": "Alice", "product_ids": [2, 1, 2], **ways})
    assert [each.name for each in fields(new) if getattr(new, each.name) == each.default] == []
    assert new == writes.NewOrder(
        customer_name="Alice",
        lines=[LineAsked(2, 2), LineAsked(1, 1)],
        currency="USD",
        pay_later=True,
        payment_method="CARD",
        payment_token="tok_x",
    )


@pytest.mark.django_db
def test_every_post_takes_an_idempotency_key(client: Client) -> None:
    """A repeat never does a thing twice, whichever operation it repeats."""
    assert_every_post_takes_a_key(client)
