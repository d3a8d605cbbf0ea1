"""The catalogue: reading it, adding to it, restocking it."""

from decimal import Decimal
from typing import Any

import pytest

from product_stub.catalog.models import MAX_SUPPLIED, Product, Restock
from product_stub.tests.conftest import Api, counters, make_product
from servicekit.idempotency.meaning import AMOUNTS
from servicekit.tests.bodies import amounts_taken

NEW = {"name": "Webcam", "price": Decimal("59.90"), "stock": 25}
NO_PRICES: tuple[Any, ...] = (0, -1, Decimal("0.001"), 10**10, None, True, "", "NaN", "1e2", "Infinity", [])


def test_the_seeded_catalogue_has_what_the_examples_need(api: Api) -> None:
    """Products 1 and 2 are plentiful and make 50.00 together; one product is out of stock."""
    items = api.get("/api/products/").body["items"]
    assert [item["id"] for item in items] == [1, 2, 3, 4, 5, 6]
    assert [str(item["price"]) for item in items[:2]] == ["30.00", "20.00"]
    assert [item["stock"] for item in items[:2]] == [100_000_000, 100_000_000]
    assert [item["id"] for item in items if item["stock"] == 0] == [6]


def test_a_product_has_exactly_four_fields(api: Api) -> None:
    """`id`, `name`, `price`, `stock` and nothing else; the stock is what can be reserved."""
    api.reserve("r-1", (5, 4))
    answer = api.get("/api/products/5/")
    assert answer.status == 200
    expected = {"id": 5, "name": "Noise-Cancelling Headphones", "price": Decimal("249.00"), "stock": 6}
    assert answer.body == expected
    assert api.get("/api/products/5").body == expected


@pytest.mark.parametrize("product_id", [99, 10**17])
def test_an_unknown_product_is_named(api: Api, product_id: int) -> None:
    """404 with the sentence that the order service shows."""
    answer = api.get(f"/api/products/{product_id}/")
    sentence = f"Product {product_id} not found"
    assert (answer.status, answer.body) == (
        404,
        {"error": sentence, "code": "product_not_found", "product_id": product_id},
    )


@pytest.mark.parametrize("product_id", ["0", "-1", "01", "abc", "1.0", str(2**63), "9" * 300, "%00", "1%0A", "%D9%A1"])
def test_what_is_not_an_id_is_not_found(api: Api, product_id: str) -> None:
    """404 in JSON for anything malformed, restocking included."""
    expected = (404, {"error": "Product not found", "code": "product_not_found"})
    answers = [api.get(f"/api/products/{product_id}/"), api.post(f"/api/products/{product_id}/restock/", {})]
    assert [(answer.status, answer.body) for answer in answers] == [expected] * 2


def test_pages_follow_each_other_without_gap_or_overlap(api: Api) -> None:
    """Stable order by id, exact total, an empty page behind the last."""
    pages = [api.get(f"/api/products/?page={page}&per_page=4").body for page in (1, 2, 3)]
    assert [[item["id"] for item in page["items"]] for page in pages] == [[1, 2, 3, 4], [5, 6], []]
    assert [(page["page"], page["per_page"], page["total"]) for page in pages] == [(1, 4, 6), (2, 4, 6), (3, 4, 6)]


def test_a_cursor_walks_on_while_products_arrive(api: Api) -> None:
    """Each product once, those included that are added behind it meanwhile; without a total."""
    page = api.get("/api/products/?per_page=4").body
    assert (page["page"], page["total"]) == (1, 6)
    seen = [item["id"] for item in page["items"]]
    for name in ("Webcam", "Lamp", None, None):
        if name is not None:
            api.post("/api/products/", {"name": name, "price": 5, "stock": 1})
        page = api.get(f"/api/products/?per_page=2&cursor={page['next_cursor']}").body
        assert set(page) == {"items", "per_page", "next_cursor"}
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
    assert seen == sorted(set(seen))
    assert len(seen) == 8


def test_the_last_page_leads_nowhere(api: Api) -> None:
    """A page by number then has no cursor, one behind a cursor has null."""
    assert "next_cursor" not in api.get("/api/products/").body
    everything = api.get("/api/products/?cursor=").body
    assert (len(everything["items"]), everything["next_cursor"]) == (6, None)


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "cursor=x",
        "cursor=WzEsMl0",
        "cursor=&page=1",
        "page=-1",
        "page=x",
        "page=1_0",
        "page=1&page=2",
        "page=",
        "page=10000000000",
        "per_page=0",
        "per_page=201",
        "colour=red",
    ],
)
def test_a_wrong_page_is_refused(api: Api, query: str) -> None:
    """400 that names the parameter; never ignored."""
    answer = api.get(f"/api/products/?{query}")
    assert answer.status == 400
    assert list(answer.body["fields"]) == [query.partition("=")[0]]


def test_a_parameter_without_a_name_is_refused(api: Api) -> None:
    """`?=1` is as unknown as any other."""
    answer = api.get("/api/products/?=1")
    assert (answer.status, answer.body["code"]) == (400, "invalid")


def test_a_product_is_added(api: Api) -> None:
    """201 with the product as it can be read from now on."""
    answer = api.post("/api/products/", NEW)
    assert answer.status == 201
    assert answer.body == {"id": answer.body["id"], **NEW}
    assert api.get(f"/api/products/{answer.body['id']}/").body == answer.body
    assert counters(Product.objects.get(pk=answer.body["id"])) == (25, 0, 0)


@pytest.mark.parametrize("price", [Decimal("0.01"), 7, "7.5", Decimal("9999999999.99")])
def test_a_price_may_be_a_number_or_quoted(api: Api, price: object) -> None:
    """Accepted as it is, answered with two decimals."""
    answer = api.post("/api/products/", {**NEW, "price": price})
    assert answer.status == 201
    assert str(answer.body["price"]) == f"{Decimal(str(price)):.2f}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", value) for value in ("", "  ", None, 5, True, ["x"], "x" * 256, "a\0b")),
        *(("price", value) for value in NO_PRICES),
        *(("stock", value) for value in (-1, 1.5, "1", True, None, 10**9 + 1, 2**63)),
    ],
)
def test_a_wrong_field_is_named_and_adds_nothing(api: Api, field: str, value: object) -> None:
    """400 with the one field that is wrong."""
    answer = api.post("/api/products/", {**NEW, field: value})
    assert answer.status == 400
    assert list(answer.body["fields"]) == [field]
    assert Product.objects.count() == 6


def test_every_missing_field_is_named(api: Api) -> None:
    """All of them at once."""
    assert list(api.post("/api/products/", {}).body["fields"]) == ["name", "price", "stock"]


def test_restocking_adds_to_what_can_be_reserved(api: Api) -> None:
    """Only stock and supplied grow; the answer is the product."""
    product = make_product(3)
    api.reserve("r-1", (product.pk, 2))
    answer = api.post(f"/api/products/{product.pk}/restock/", {"quantity": 5})
    assert (answer.status, answer.body["stock"]) == (200, 6)
    assert counters(product) == (6, 2, 0)
    assert Product.objects.get(pk=product.pk).supplied == 8


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "1", True, None, 10**9 + 1, 2**63])
def test_a_wrong_quantity_adds_nothing(api: Api, quantity: object) -> None:
    """400, and the stock is what it was."""
    product = make_product(3)
    answer = api.post(f"/api/products/{product.pk}/restock/", {"quantity": quantity})
    assert (answer.status, list(answer.body["fields"])) == (400, ["quantity"])
    assert counters(product) == (3, 0, 0)


def test_restocking_an_unknown_product_is_not_found(api: Api) -> None:
    """404, and nothing is recorded."""
    assert api.post("/api/products/99/restock/", {"quantity": 1}).body["code"] == "product_not_found"
    assert not Restock.objects.exists()


def test_a_product_never_gets_more_units_than_a_number_holds_exactly(api: Api) -> None:
    """409 at the limit, and nothing is added."""
    product = make_product(3)
    Product.objects.filter(pk=product.pk).update(sold=MAX_SUPPLIED - 5, supplied=MAX_SUPPLIED - 2)
    refused = api.post(f"/api/products/{product.pk}/restock/", {"quantity": 3})
    assert (refused.status, refused.body["code"]) == (409, "stock_limit_reached")
    assert not Restock.objects.exists()
    assert api.post(f"/api/products/{product.pk}/restock/", {"quantity": 2}).status == 200
    assert counters(product) == (5, 0, MAX_SUPPLIED - 5)


def test_each_amount_in_a_body_is_known_as_one_to_the_idempotency_keys() -> None:
    """By its name, so that a repeat may spell it in another way."""
    assert amounts_taken() == {"price"}
    assert amounts_taken() <= AMOUNTS
