"""Whatever a client gets wrong, the answer is a clear 4xx in JSON: never a 500, never HTML, with DEBUG on or off."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import stack as stacks
from tests.client import JSON_HEADERS, Http
from tests.stack import Stack

POSTS = {
    "order_service": "/api/orders/",
    "payment_service": "/api/payments/",
    "product_stub": "/api/products/",
}
MAX_BODY_BYTES = 65_536


@pytest.fixture(scope="module", params=["off", "on"], ids=["debug off", "debug on"])
def debug_stack(
    request: pytest.FixtureRequest, migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The three services with DEBUG off, then with DEBUG on."""
    settings = {name: {"DEBUG": request.param} for name in POSTS}
    with stacks.running_stack(migrated, tmp_path_factory.mktemp("debug"), settings=settings) as running:
        yield running


@pytest.fixture(params=list(POSTS))
def service(request: pytest.FixtureRequest, debug_stack: Stack) -> tuple[Http, str]:
    """Each service, with the path of a POST that it takes."""
    return Http(debug_stack.services[request.param].url), POSTS[request.param]


def assert_is_problem(status: int, body: bytes | str, *, expected: int, code: str | None = None) -> None:
    assert status == expected
    problem = json.loads(body)
    assert isinstance(problem["error"], str)
    assert problem["error"]
    assert problem["code"] == (code or problem["code"])
    assert "Traceback" not in problem["error"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/-", "/nothing", "/api", "/api/", "/api/none/", "/api//orders", "/%00", "/../etc"])
def test_an_unknown_route_is_not_found(service: tuple[Http, str], method: str, path: str) -> None:
    """404, for every method."""
    status, body = service[0].raw(method, path, headers={"Host": "localhost", "Content-Length": "0"})
    assert_is_problem(status, body, expected=404, code="not_found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_is_not_there_is_refused(service: tuple[Http, str], method: str) -> None:
    """405 with the methods that there are."""
    http, path = service
    refused = http.request(method, path)
    assert_is_problem(refused.status, refused.text, expected=405, code="method_not_allowed")
    assert "POST" in refused.headers["Allow"]


@pytest.mark.parametrize(
    "kind",
    [
        *[
            "text/plain",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            None,
        ],
        *["application/json; charset=foo", 'application/json; charset="utf-16"'],
    ],
)
def test_a_body_that_is_not_json_is_refused(service: tuple[Http, str], kind: str | None) -> None:
    """415, whatever else it is."""
    http, path = service
    headers = {"Host": "localhost", "Content-Length": "2"} | ({} if kind is None else {"Content-Type": kind})
    status, body = http.raw("POST", path, headers=headers, body=b"{}")
    assert_is_problem(status, body, expected=415, code="unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"}",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 01}',
        b'{"a": 1, "a": 1}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"a":' * 50 + b"1" + b"}" * 50,
    ],
    ids=lambda body: repr(body[:16]),
)
def test_malformed_json_is_refused(service: tuple[Http, str], body: bytes) -> None:
    """400 that says so."""
    http, path = service
    refused = http.request("POST", path, data=body, headers=JSON_HEADERS)
    assert_is_problem(refused.status, refused.text, expected=400, code="malformed_json")


@pytest.mark.parametrize("body", ["[]", "1", '"text"', "null", "true", "[{}]", "", "{}"])
def test_a_body_that_is_no_object_or_an_empty_one_is_refused(service: tuple[Http, str], body: str) -> None:
    """400."""
    http, path = service
    refused = http.request("POST", path, data=body, headers=JSON_HEADERS)
    assert_is_problem(refused.status, refused.text, expected=400)


def test_a_huge_body_is_refused_unread(service: tuple[Http, str]) -> None:
    """413 from the announced length alone: not a byte of it has to be sent."""
    http, path = service
    headers = {"Host": "localhost", **JSON_HEADERS, "Content-Length": str(MAX_BODY_BYTES + 1)}
    status, body = http.raw("POST", path, headers=headers)
    assert_is_problem(status, body, expected=413, code="request_too_large")


def test_the_largest_body_is_read(service: tuple[Http, str]) -> None:
    """Exactly the limit is not too large: it is judged by what it says."""
    http, path = service
    body = b'{"customer_name": "' + b"x" * (MAX_BODY_BYTES - 21) + b'"}'
    assert len(body) == MAX_BODY_BYTES
    refused = http.request("POST", path, data=body, headers=JSON_HEADERS)
    assert_is_problem(refused.status, refused.text, expected=400)


def test_a_body_without_a_length_is_judged_by_what_it_says(service: tuple[Http, str]) -> None:
    """A chunked body is read like any other."""
    http, path = service
    refused = http.request("POST", path, data=iter([b"{", b"]"]), headers=JSON_HEADERS)
    assert_is_problem(refused.status, refused.text, expected=400, code="malformed_json")


def test_who_is_answered_before_the_body_was_read_is_told_that_the_connection_ends(service: tuple[Http, str]) -> None:
    """Else the client's next request would go into a connection that the server has closed."""
    http, path = service
    unread = http.request("POST", path, data=iter([b"x" * (MAX_BODY_BYTES + 1)]), headers=JSON_HEADERS)
    assert (unread.status, unread.headers["Connection"]) == (413, "close")
    read = http.request("POST", path, data=b"{", headers=JSON_HEADERS)
    assert (read.status, "Connection" in read.headers) == (400, False)
    assert "Connection" not in http.get("/health").headers


def test_a_foreign_host_is_refused(service: tuple[Http, str]) -> None:
    """400."""
    http, path = service
    status, body = http.raw("GET", path, headers={"Host": "evil.example"})
    assert_is_problem(status, body, expected=400, code="host_not_allowed")


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "\xe4"])
def test_an_idempotency_key_that_is_none_is_refused(service: tuple[Http, str], key: str) -> None:
    """400."""
    http, path = service
    headers = {"Host": "localhost", **JSON_HEADERS, "Content-Length": "2", "Idempotency-Key": key}
    status, body = http.raw("POST", path, headers=headers, body=b"{}")
    assert_is_problem(status, body, expected=400, code="idempotency_key_invalid")


ORDER: dict[str, Any] = {"customer_name": "Alice", "product_ids": [1]}
PAYMENT: dict[str, Any] = {"order_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "amount": 50}
PRODUCT: dict[str, Any] = {"name": "Thing", "price": 10, "stock": 1}
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    *(
        ("order_service", ORDER, "customer_name", value)
        for value in ("5", "true", "[]", "{}", f'"{"x" * 256}"', '"a\\u0000"')
    ),
    *(
        ("order_service", ORDER, "product_ids", value)
        for value in (
            *('"1"', "1", "{}", "true", '["1"]', "[1.0]", "[true]", "[null]", "[0]", "[-1]", "[[1]]", '[{"id": 1}]'),
            *("[9223372036854775808]", f"[{'9' * 40}]", f"[{'1,' * 100}1]"),
        )
    ),
    *(
        ("order_service", {"customer_name": "Alice"}, "items", value)
        for value in (
            *('"x"', "[1]", "[{}]", '[{"product_id": 1}]', '[{"quantity": 1}]', '[{"product_id": 1, "quantity": 0}]'),
            *('[{"product_id": 1, "quantity": 1001}]', '[{"product_id": 1, "quantity": "1"}]'),
            '[{"product_id": 1, "quantity": 600}, {"product_id": 1, "quantity": 600}]',
        )
    ),
    *(("order_service", ORDER, "payment", value) for value in ('"never"', "true", "1", "[]", '""')),
    *(("order_service", ORDER, "currency", value) for value in ('"dollars"', '"XXX"', "1", '""', "[]")),
    *(("order_service", ORDER, "payment_method", value) for value in ("1", "[]", f'"{"x" * 33}"')),
    *(("order_service", ORDER, "payment_method_details", value) for value in ('"tok"', "[]", '{"token": 1}')),
    *(
        ("payment_service", PAYMENT, "order_id", value)
        for value in ('"x"', "true", "-1", "0", "1.5", "9223372036854775808", "[]", "{}", '"\\u0000"', f'"{"a" * 36}"')
    ),
    *(
        ("payment_service", PAYMENT, "amount", value)
        for value in (
            *('"x"', "true", "[]", "{}", "50.001", "10000000000", '"1e3"', '"NaN"', '"Infinity"', "1e400", "1e-9"),
            *('"5,00"', '" 5"', '"٣"', '"0x10"'),
        )
    ),
    *(("payment_service", PAYMENT, "method", value) for value in ('"BARTER"', "1", "[]", '""')),
    *(("payment_service", PAYMENT, "currency", value) for value in ('"dollars"', '"XXX"', "1", '""')),
    *(("payment_service", PAYMENT, "payment_method_details", value) for value in ('"tok"', "[]", '{"token": 1}')),
    *(("product_stub", PRODUCT, "name", value) for value in ("5", "null", '""', f'"{"x" * 256}"', '"\\u0000"')),
    *(("product_stub", PRODUCT, "price", value) for value in ("0", "-1", '"x"', "true", "1.001", "1e20", "null")),
    *(
        ("product_stub", PRODUCT, "stock", value)
        for value in ("-1", "1.5", '"1"', "true", "9223372036854775808", "null")
    ),
]


@pytest.mark.parametrize(("name", "good", "field", "value"), WRONG, ids=lambda value: str(value)[:40])
def test_a_field_of_the_wrong_type_or_size_is_named(
    stack: Stack, name: str, good: dict[str, Any], field: str, value: str
) -> None:
    """400 that names the field; what was good about the body changes nothing."""
    rest = "".join(f', "{other}": {json.dumps(kept)}' for other, kept in good.items() if other != field)
    body = f'{{"{field}": {value}{rest}}}'.encode()
    refused = Http(stack.services[name].url).request("POST", POSTS[name], data=body, headers=JSON_HEADERS)
    assert refused.status == 400, refused.text
    assert refused.json["code"] == "invalid"
    assert {path.partition(".")[0] for path in refused.json["fields"]} == {field}
    assert refused.json["error"].startswith(field)


def test_a_currency_without_decimals_refuses_fractions(stack: Stack) -> None:
    """Half a yen is nothing that can be paid."""
    refused = stack.payments.post("/api/payments/", {"order_id": 77, "amount": 50.5, "currency": "JPY"})
    assert (refused.status, list(refused.json["fields"])) == (400, ["amount"])
    assert stack.payments.get("/api/payments/77/").status == 404


@pytest.mark.parametrize("amount", ["0", "-0.01", "-50", '"0.00"'])
def test_an_amount_that_is_not_positive_leaves_a_failed_payment(stack: Stack, amount: str) -> None:
    """The contract's sentence, and a FAILED payment to be looked at."""
    number = 1000 + ["0", "-0.01", "-50", '"0.00"'].index(amount)
    body = f'{{"order_id": {number}, "amount": {amount}}}'
    refused = stack.payments.request("POST", "/api/payments/", data=body, headers=JSON_HEADERS)
    assert (refused.status, refused.json["error"]) == (400, "Amount must be positive.")
    assert stack.payments.get(f"/api/payments/{number}/").json["status"] == "FAILED"


@pytest.mark.parametrize(
    "body", [{}, {"order_id": 5}, {"amount": 5}, {"order_id": None, "amount": 5}, {"order_id": 5, "amount": None}]
)
def test_a_payment_without_an_order_or_amount_is_refused(stack: Stack, body: dict[str, Any]) -> None:
    """The contract's sentence."""
    refused = stack.payments.post("/api/payments/", body)
    assert (refused.status, refused.json["error"]) == (400, "order_id and amount required")


@pytest.mark.parametrize("reference", ["x", "0", "-1", "1.5", "9223372036854775808", "a1b2c3d4", "%00", "☃"])
@pytest.mark.parametrize(("method", "ending"), [("GET", ""), ("POST", "void/")])
def test_a_malformed_payment_reference_is_not_found(stack: Stack, reference: str, method: str, ending: str) -> None:
    """404 with the contract's sentence."""
    missing = stack.payments.request(method, f"/api/payments/{reference}/{ending}")
    assert (missing.status, missing.json["error"]) == (404, "Payment not found")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/admin/login/", "/openapi.json", "/health"])
def test_the_pages_for_people_are_there(service: tuple[Http, str], path: str) -> None:
    """Documentation and admin answer without a network and without a build step."""
    page = service[0].get(path)
    assert page.status == 200
    for source in [part.split('"')[0] for name in ('src="', 'href="/static') for part in page.text.split(name)[1:]]:
        address = source if source.startswith("/") else f"/static{source}"
        assert service[0].get(address if address.startswith("/static") else f"/static{address}").status == 200
