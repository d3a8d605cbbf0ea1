"""`Idempotency-Key` on everything that is posted, also when the first answer was never stored."""

from product_stub.catalog.models import Product, Restock
from product_stub.tests.conftest import Api, counters, make_product
from servicekit.idempotency.models import IdempotencyKey

NEW = {"name": "Webcam", "price": 5, "stock": 2}


def _forget_the_answer() -> None:
    """As if the process had died between doing the work and storing the answer, and its lock had run out."""
    assert IdempotencyKey.objects.update(status_code=None, body=None, locked_until=None) == 1


def test_a_product_is_added_once(api: Api) -> None:
    """The second answer is the first one, and says so."""
    first = api.post("/api/products/", NEW, Idempotency_Key="k-1")
    again = api.post("/api/products/", NEW, Idempotency_Key="k-1")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Product.objects.count() == 7


def test_a_product_is_added_once_although_the_answer_was_lost(api: Api) -> None:
    """Running the request again finds what the first run made."""
    first = api.post("/api/products/", NEW, Idempotency_Key="k-1")
    _forget_the_answer()
    assert api.post("/api/products/", NEW, Idempotency_Key="k-1").body == first.body
    assert Product.objects.count() == 7


def test_stock_is_added_once_although_the_answer_was_lost(api: Api) -> None:
    """Running the request again adds nothing more."""
    product = make_product(3)
    path = f"/api/products/{product.pk}/restock/"
    first = api.post(path, {"quantity": 5}, Idempotency_Key="k-1")
    _forget_the_answer()
    assert api.post(path, {"quantity": 5}, Idempotency_Key="k-1").body == first.body
    assert counters(product) == (8, 0, 0)
    assert Restock.objects.count() == 1


def test_without_a_key_every_post_counts(api: Api) -> None:
    """Two deliveries are two deliveries."""
    product = make_product(3)
    for _ in range(2):
        api.post(f"/api/products/{product.pk}/restock/", {"quantity": 5})
    assert counters(product) == (13, 0, 0)


def test_a_key_with_another_body_is_refused(api: Api) -> None:
    """422, and nothing is added."""
    api.post("/api/products/", NEW, Idempotency_Key="k-1")
    answer = api.post("/api/products/", {**NEW, "stock": 3}, Idempotency_Key="k-1")
    assert (answer.status, answer.body["code"]) == (422, "idempotency_key_reused")
    assert Product.objects.count() == 7


def test_a_confirmation_is_replayed(api: Api) -> None:
    """The stored answer comes again; the stock was sold once."""
    product = make_product(3)
    api.reserve("r-1", (product.pk, 2))
    answers = [api.post("/api/reservations/r-1/confirm/", Idempotency_Key="k-1") for _ in range(2)]
    assert [answer.body["status"] for answer in answers] == ["CONFIRMED"] * 2
    assert "Idempotent-Replayed" in answers[1].headers
    assert counters(product) == (1, 0, 2)
