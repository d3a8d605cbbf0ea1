"""`POST /api/reservations/confirm`: the stock of many reservations is sold in one request, each answered by itself."""

from collections.abc import Sequence
from typing import Any

import pytest

from product_stub.catalog import reads, writes
from product_stub.catalog.models import Reservation
from product_stub.tests.conftest import Answer, Api, counters, make_product

NOT_FOUND = {"error": "Reservation not found", "code": "reservation_not_found"}
RELEASED = {"error": "Reservation was released", "code": "reservation_released"}


def confirm(api: Api, ids: object, **headers: str) -> Answer:
    return api.post("/api/reservations/confirm", {"ids": ids}, **headers)


def test_each_is_answered_by_itself_in_the_order_of_the_request(api: Api) -> None:
    """One held, one sold before, one released, one unknown: two are sold, and nothing else moves."""
    lamp, desk = make_product(10), make_product(10)
    api.reserve("held", (lamp.pk, 1), (desk.pk, 2))
    api.reserve("sold", (lamp.pk, 3))
    api.confirm("sold")
    api.reserve("released", (desk.pk, 4))
    api.release("released")
    answer = confirm(api, ["unknown", "released", "sold", "held"])
    assert answer.status == 200
    assert answer.body == {
        "items": [
            {"id": "unknown", **NOT_FOUND},
            {"id": "released", **RELEASED},
            {"id": "sold", "status": "CONFIRMED"},
            {"id": "held", "status": "CONFIRMED"},
        ]
    }
    assert (counters(lamp), counters(desk)) == ((6, 0, 4), (8, 0, 2))
    assert Reservation.objects.filter(uid="unknown").count() == 0


def test_a_repeat_changes_nothing(api: Api) -> None:
    """The same request again is answered the same; with a key it is the first answer."""
    product = make_product(10)
    for reservation_id in ("a", "b"):
        api.reserve(reservation_id, (product.pk, 2))
    answers = [confirm(api, ["a", "b", "a"]) for _ in range(2)]
    answers += [confirm(api, ["a", "b"], Idempotency_Key="k-1") for _ in range(2)]
    expected = {"items": [{"id": "a", "status": "CONFIRMED"}, {"id": "b", "status": "CONFIRMED"}]}
    assert [(answer.status, answer.body) for answer in answers] == [(200, expected)] * 4
    assert counters(product) == (6, 0, 4)


def test_a_hundred_are_one_transaction(api: Api, django_assert_max_num_queries: Any) -> None:
    """However many, they cost no more statements than two."""
    product = make_product(1000)
    ids = [f"r-{n}" for n in range(100)]
    for reservation_id in ids:
        writes.reserve(reservation_id, wanted={product.pk: 2})
    with django_assert_max_num_queries(6):
        answer = confirm(api, ids)
    assert {item["status"] for item in answer.body["items"]} == {"CONFIRMED"}
    assert counters(product) == (800, 0, 200)


@pytest.mark.parametrize(
    ("ids", "field"),
    [
        ([], "ids"),
        (None, "ids"),
        ("held", "ids"),
        ({"held": 1}, "ids"),
        ([f"r-{n}" for n in range(101)], "ids"),
        (["held", 7], "ids.1"),
        (["held", None], "ids.1"),
        (["held", ["held"]], "ids.1"),
        (["held", ""], "ids.1"),
        (["held", "a/b"], "ids.1"),
        (["held", "held\n"], "ids.1"),
        (["held", "r" * 65], "ids.1"),
        (["held", "\u0665"], "ids.1"),
    ],
)
def test_bad_input_names_the_field_and_sells_nothing(api: Api, ids: object, field: str) -> None:
    """Of a list with one bad id, no other one is sold."""
    product = make_product(10)
    api.reserve("held", (product.pk, 1))
    answer = confirm(api, ids)
    assert answer.status == 400
    assert answer.body["code"] == "invalid"
    assert list(answer.body["fields"]) == [field]
    assert counters(product) == (9, 1, 0)


def test_what_is_released_meanwhile_is_refused_and_the_others_are_sold(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reservation that changes between reading and selling keeps none of the others from being sold."""
    product = make_product(10)
    for reservation_id in ("a", "b", "c"):
        api.reserve(reservation_id, (product.pk, 1))

    def find(ids: Sequence[str]) -> list[Reservation]:
        found = [reads.get_reservation(reservation_id) for reservation_id in ids]
        writes.release("b", return_sold=False)
        return found

    monkeypatch.setattr(reads, "find_reservations", find)
    items = confirm(api, ["a", "b", "c"]).body["items"]
    assert items == [{"id": "a", "status": "CONFIRMED"}, {"id": "b", **RELEASED}, {"id": "c", "status": "CONFIRMED"}]
    assert counters(product) == (8, 0, 2)


def test_it_is_no_reservation_of_that_name(api: Api) -> None:
    """`confirm` cannot be reserved, so that nobody sells by mistake what he wants to hold."""
    product = make_product(10)
    assert api.reserve("confirm", (product.pk, 1)).status == 405
    assert counters(product) == (10, 0, 0)
