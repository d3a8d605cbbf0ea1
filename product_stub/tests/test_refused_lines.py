"""Lines that cannot be held: which one is named, what is still listed, and that nothing is held."""

from typing import Any

import pytest

from product_stub.catalog.models import Reservation
from product_stub.tests.conftest import Api, counters, make_product

UNKNOWN = 10**15


def test_an_unknown_product_is_named(api: Api) -> None:
    """404 with the product, and the lines that were found."""
    lamp = make_product(10, "Lamp", "12.50")
    answer = api.reserve("r-1", (lamp.pk, 2), (UNKNOWN, 1))
    assert answer.status == 404
    assert answer.body == {
        "error": f"Product {UNKNOWN} not found",
        "code": "product_not_found",
        "product_id": UNKNOWN,
        "items": [{"product_id": lamp.pk, "name": "Lamp", "unit_price": lamp.price, "quantity": 2}],
    }


def test_a_product_with_too_little_stock_is_named_and_listed(api: Api) -> None:
    """409 with the product; it was found, so its line is among those listed."""
    lamp, desk = make_product(10, "Lamp", "12.50"), make_product(1, "Desk", "140.00")
    answer = api.reserve("r-1", (lamp.pk, 2), (desk.pk, 2))
    assert answer.status == 409
    assert answer.body == {
        "error": f"Product {desk.pk} is out of stock",
        "code": "out_of_stock",
        "product_id": desk.pk,
        "items": [
            {"product_id": lamp.pk, "name": "Lamp", "unit_price": lamp.price, "quantity": 2},
            {"product_id": desk.pk, "name": "Desk", "unit_price": desk.price, "quantity": 2},
        ],
    }


def test_the_first_bad_line_in_request_order_is_the_one_named(api: Api) -> None:
    """Neither the order of ids nor the kind of trouble decides."""
    empty = make_product(0)
    first = api.reserve("r-1", (UNKNOWN, 1), (empty.pk, 1))
    second = api.reserve("r-1", (empty.pk, 1), (UNKNOWN, 1))
    assert (first.status, first.body["code"]) == (404, "product_not_found")
    assert (second.status, second.body["code"]) == (409, "out_of_stock")


def test_quantities_of_one_product_count_together(api: Api) -> None:
    """Two lines that fit one by one and not together are refused."""
    lamp = make_product(3)
    assert api.reserve("r-1", (lamp.pk, 2), (lamp.pk, 2)).status == 409
    assert counters(lamp) == (3, 0, 0)


def test_nothing_is_held_when_one_line_is_bad(api: Api) -> None:
    """All or nothing: no stock moves, no reservation is stored."""
    lamp, empty = make_product(10), make_product(0)
    assert api.reserve("r-1", (lamp.pk, 2), (empty.pk, 1)).status == 409
    assert counters(lamp) == (10, 0, 0)
    assert not Reservation.objects.exists()


def test_a_refused_id_can_be_used_again(api: Api) -> None:
    """A refusal is not remembered: once there is stock, the same request succeeds."""
    lamp = make_product(0)
    assert api.reserve("r-1", (lamp.pk, 1)).status == 409
    assert api.post(f"/api/products/{lamp.pk}/restock/", {"quantity": 1}).status == 200
    assert api.reserve("r-1", (lamp.pk, 1)).status == 201


def test_the_very_last_unit_can_be_held(api: Api) -> None:
    """Exactly as much as there is is not too much."""
    lamp = make_product(3)
    assert api.reserve("r-1", (lamp.pk, 3)).status == 201
    assert counters(lamp) == (0, 3, 0)


GOOD = {"product_id": 1, "quantity": 1}
NO_COUNTS: tuple[Any, ...] = (0, -1, 1.5, "1", True, None, [], {}, 2**63, 10**30)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": None}, "items"),
        ({"items": []}, "items"),
        ({"items": {"product_id": 1}}, "items"),
        ({"items": "1"}, "items"),
        ({"items": [GOOD] * 101}, "items"),
        ({"items": [GOOD, 5]}, "items.1"),
        ({"items": [{"quantity": 1}]}, "items.0.product_id"),
        ({"items": [{"product_id": 1}]}, "items.0.quantity"),
        *(({"items": [{**GOOD, field: value}]}, f"items.0.{field}") for field in GOOD for value in NO_COUNTS),
        ({"items": [{**GOOD, "quantity": 1_000_001}]}, "items.0.quantity"),
    ],
)
def test_a_wrong_field_is_named(api: Api, body: object, field: str) -> None:
    """400 with the path of the field, and nothing is stored."""
    answer = api.call("PUT", "/api/reservations/r-1/", body)
    assert answer.status == 400
    assert answer.body["code"] == "invalid"
    assert list(answer.body["fields"]) == [field]
    assert not Reservation.objects.exists()


@pytest.mark.parametrize("body", [[GOOD], "items", 5])
def test_a_body_that_is_no_object_is_refused(api: Api, body: object) -> None:
    """400, whatever else it is."""
    assert api.call("PUT", "/api/reservations/r-1/", body).status == 400


def test_fields_that_nobody_knows_are_ignored(api: Api) -> None:
    """A client may send more than we need."""
    items = [{"product_id": make_product(1).pk, "quantity": 1, "gift": True}]
    assert api.call("PUT", "/api/reservations/r-1/", {"items": items, "note": "x"}).status == 201
