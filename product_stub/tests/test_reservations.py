"""What each call does to a reservation in each status, and to the stock."""

import pytest

from product_stub.catalog.models import Product, Reservation
from product_stub.tests.conftest import Api, counters, make_product

ABSENT, HELD, CONFIRMED, RELEASED, TOMBSTONE = "absent", "HELD", "CONFIRMED", "RELEASED", "tombstone"
FRESH, TAKEN, SOLD = (10, 0, 0), (7, 3, 0), (7, 0, 3)

# (status before, call) -> (HTTP status, code, status after, (stock, reserved, sold) after), of 10 units, 3 reserved
TABLE = {
    (ABSENT, "put"): (201, None, HELD, TAKEN),
    (ABSENT, "put other"): (201, None, HELD, (8, 2, 0)),
    (ABSENT, "confirm"): (404, "reservation_not_found", None, FRESH),
    (ABSENT, "delete"): (204, None, RELEASED, FRESH),
    (ABSENT, "delete and return"): (204, None, RELEASED, FRESH),
    (ABSENT, "get"): (404, "reservation_not_found", None, FRESH),
    (HELD, "put"): (200, None, HELD, TAKEN),
    (HELD, "put other"): (422, "reservation_items_differ", HELD, TAKEN),
    (HELD, "confirm"): (200, None, CONFIRMED, SOLD),
    (HELD, "delete"): (204, None, RELEASED, FRESH),
    (HELD, "delete and return"): (204, None, RELEASED, FRESH),
    (HELD, "get"): (200, None, HELD, TAKEN),
    (CONFIRMED, "put"): (200, None, CONFIRMED, SOLD),
    (CONFIRMED, "put other"): (422, "reservation_items_differ", CONFIRMED, SOLD),
    (CONFIRMED, "confirm"): (200, None, CONFIRMED, SOLD),
    (CONFIRMED, "delete"): (409, "reservation_confirmed", CONFIRMED, SOLD),
    (CONFIRMED, "delete and return"): (204, None, RELEASED, FRESH),
    (CONFIRMED, "get"): (200, None, CONFIRMED, SOLD),
    (RELEASED, "put"): (409, "reservation_released", RELEASED, FRESH),
    (RELEASED, "put other"): (409, "reservation_released", RELEASED, FRESH),
    (RELEASED, "confirm"): (409, "reservation_released", RELEASED, FRESH),
    (RELEASED, "delete"): (204, None, RELEASED, FRESH),
    (RELEASED, "delete and return"): (204, None, RELEASED, FRESH),
    (RELEASED, "get"): (200, None, RELEASED, FRESH),
    (TOMBSTONE, "put"): (409, "reservation_released", RELEASED, FRESH),
    (TOMBSTONE, "put other"): (409, "reservation_released", RELEASED, FRESH),
    (TOMBSTONE, "confirm"): (409, "reservation_released", RELEASED, FRESH),
    (TOMBSTONE, "delete"): (204, None, RELEASED, FRESH),
    (TOMBSTONE, "delete and return"): (204, None, RELEASED, FRESH),
    (TOMBSTONE, "get"): (200, None, RELEASED, FRESH),
}


def _bring_to(api: Api, status: str, product: Product) -> None:
    if status in (HELD, CONFIRMED, RELEASED):
        assert api.reserve("r-1", (product.pk, 3)).status == 201
    if status == CONFIRMED:
        assert api.confirm("r-1").status == 200
    if status in (RELEASED, TOMBSTONE):
        assert api.release("r-1").status == 204


@pytest.mark.parametrize(("before", "call"), list(TABLE))
def test_each_call_on_each_status(api: Api, before: str, call: str) -> None:
    """Answer, status and stock are exactly those of the table; a repeat of the call changes nothing more."""
    product = make_product(10)
    calls = {
        "put": lambda: api.reserve("r-1", (product.pk, 3)),
        "put other": lambda: api.reserve("r-1", (product.pk, 2)),
        "confirm": lambda: api.confirm("r-1"),
        "delete": lambda: api.release("r-1"),
        "delete and return": lambda: api.release("r-1", "?return=true"),
        "get": lambda: api.get("/api/reservations/r-1/"),
    }
    http_status, code, after, stock = TABLE[before, call]
    _bring_to(api, before, product)
    for expected in (http_status, 200 if http_status == 201 else http_status):
        answer = calls[call]()
        assert answer.status == expected
        assert (answer.body or {}).get("code") == code
        assert list(Reservation.objects.values_list("status", flat=True)) == ([after] if after else [])
        assert counters(product) == stock


def test_the_body_lists_every_line_with_name_price_and_quantity(api: Api) -> None:
    """Lines stand in request order; a product that is named twice is one line."""
    lamp, desk = make_product(10, "Lamp", "12.50"), make_product(10, "Desk", "140.00")
    answer = api.reserve("r-1", (desk.pk, 1), (lamp.pk, 2), (desk.pk, 3))
    assert answer.status == 201
    assert answer.body["id"] == "r-1"
    assert answer.body["status"] == "HELD"
    assert [list(line.values()) for line in answer.body["items"]] == [
        [desk.pk, "Desk", desk.price, 4],
        [lamp.pk, "Lamp", lamp.price, 2],
    ]
    assert list(answer.body["items"][0]) == ["product_id", "name", "unit_price", "quantity"]


def test_prices_have_two_decimals_on_the_wire(api: Api) -> None:
    """An amount is a number with exactly two decimals."""
    answer = api.reserve("r-1", (make_product(1, price="140").pk, 1))
    assert str(answer.body["items"][0]["unit_price"]) == "140.00"


def test_a_repeat_may_name_the_same_items_in_any_order_and_split(api: Api) -> None:
    """What counts is how many of which product; the answer is the first one again."""
    lamp, desk = make_product(10), make_product(10)
    first = api.reserve("r-1", (lamp.pk, 3), (desk.pk, 1))
    again = api.reserve("r-1", (desk.pk, 1), (lamp.pk, 1), (lamp.pk, 2))
    assert (again.status, again.body) == (200, first.body)
    assert counters(lamp) == (7, 3, 0)
    assert counters(desk) == (9, 1, 0)


def test_a_repeat_has_the_price_of_the_first_time(api: Api) -> None:
    """A reservation's lines are frozen."""
    product = make_product(10)
    first = api.reserve("r-1", (product.pk, 1))
    Product.objects.filter(pk=product.pk).update(price=99, name="Dearer")
    assert api.reserve("r-1", (product.pk, 1)).body == first.body


def test_a_repeat_is_answered_although_everything_is_sold_out_since(api: Api) -> None:
    """The stock that a reservation holds is not asked for again."""
    product = make_product(3)
    api.reserve("r-1", (product.pk, 3))
    assert api.reserve("r-2", (product.pk, 1)).status == 409
    assert api.reserve("r-1", (product.pk, 3)).status == 200


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_slash_at_the_end_makes_no_difference(api: Api, slash: str) -> None:
    """Both forms of each route are the same."""
    product = make_product(1)
    body = {"items": [{"product_id": product.pk, "quantity": 1}]}
    assert api.call("PUT", f"/api/reservations/r-1{slash}", body).status == 201
    assert api.get(f"/api/reservations/r-1{slash}").body["status"] == "HELD"
    assert api.post(f"/api/reservations/r-1/confirm{slash}").body["status"] == "CONFIRMED"
    assert api.call("DELETE", f"/api/reservations/r-1{slash}?return=true").status == 204
    assert counters(product) == (1, 0, 0)


@pytest.mark.parametrize("reservation_id", ["r", "A" * 64, "0", "-", "c1a2b3d4-e5f6-7890-abcd-ef1234567890"])
def test_any_sane_id_will_do(api: Api, reservation_id: str) -> None:
    """1 to 64 letters, digits and dashes."""
    assert api.reserve(reservation_id, (make_product(1).pk, 1)).body["id"] == reservation_id


@pytest.mark.parametrize("reservation_id", ["a_b", "A" * 65, "a%20b", "a%0A", "%00", "%C3%A4", "a.b"])
def test_what_is_not_an_id_is_not_found(api: Api, reservation_id: str) -> None:
    """A malformed id names no reservation, whatever is asked of it."""
    product = make_product(1)
    answers = [
        api.get(f"/api/reservations/{reservation_id}/"),
        api.reserve(reservation_id, (product.pk, 1)),
        api.release(reservation_id),
        api.confirm(reservation_id),
    ]
    expected = {"error": "Reservation not found", "code": "reservation_not_found"}
    assert [(answer.status, answer.body) for answer in answers] == [(404, expected)] * 4
    assert not Reservation.objects.exists()


@pytest.mark.parametrize("query", ["?return=maybe", "?return=", "?return=1", "?returns=true"])
def test_a_wrong_parameter_is_refused_and_releases_nothing(api: Api, query: str) -> None:
    """A misspelt wish is never taken for another one."""
    product = make_product(1)
    api.reserve("r-1", (product.pk, 1))
    assert api.release("r-1", query).status == 400
    assert counters(product) == (0, 1, 0)
