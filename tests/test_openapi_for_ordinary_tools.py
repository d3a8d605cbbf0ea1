"""The committed OpenAPI documents hold what ordinary validators and generators of clients trip over otherwise.

`make test-openapi` runs such tools themselves.
"""

from collections.abc import Iterator
from typing import Any, Final

import jsonschema
import pytest
import yaml

from tests.stack import ROOT, SERVICES

NAMES: Final = (*SERVICES, "notify_service")
DOCUMENTS: Final = {
    name: yaml.safe_load((ROOT / "docs" / "openapi" / f"{name}.yaml").read_text(encoding="utf-8")) for name in NAMES
}
PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
# What a document's amounts are called.
AMOUNTS: Final = ("amount", "price")


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a document, with where it stands."""
    if isinstance(node, dict):
        yield path, node
    for name, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from nodes(child, f"{path}/{name}")


def operations(name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation but those that tell how the service is."""
    for path, item in DOCUMENTS[name]["paths"].items():
        for method, operation in item.items() if not path.startswith("/health") else ():
            yield method, path, operation


@pytest.mark.parametrize("name", NAMES)
def test_no_decimal_has_to_be_a_multiple_of_a_fraction(name: str) -> None:
    """In binary numbers 4.35 is no multiple of 0.01, so one amount in nine was refused."""
    assert [path for path, node in nodes(DOCUMENTS[name]) if "multipleOf" in node and "enum" not in node] == []


@pytest.mark.parametrize("name", NAMES)
def test_null_is_allowed_only_beside_a_type(name: str) -> None:
    """OpenAPI 3.0.3 says so, and some validators answer 500 to everything where it is not."""
    assert [path for path, node in nodes(DOCUMENTS[name]) if "nullable" in node and "type" not in node] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_but_an_empty_one_has_a_shape(name: str) -> None:
    """A generated client has nothing to return otherwise."""
    answers = [
        (f"{method} {path} {status}", answer.get("content", {}).get("application/json", {}).get("schema"))
        for method, path, operation in operations(name)
        for status, answer in operation["responses"].items()
        if status != "204"
    ]
    assert answers
    assert [where for where, schema in answers if not schema] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_any_operation_may_answer_is_said_of_each(name: str) -> None:
    """A client that has no shape for `database_unavailable` dies of it."""
    for method, path, operation in operations(name):
        unsafe = () if method == "get" else ("403", "408", "411", "413", "415")
        for status in ("400", "414", "500", "503", *unsafe):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert PROBLEM in schema.get("anyOf", [schema]), f"{method} {path} {status}"
        assert "Retry-After" in operation["responses"]["503"]["headers"], f"{method} {path}"


@pytest.mark.parametrize("name", NAMES)
def test_every_amount_in_cents_fits_the_schema_of_an_amount(name: str) -> None:
    """As the binary numbers that most validators compute with."""
    shapes = [
        node["properties"][amount]
        for path, node in nodes(DOCUMENTS[name]["components"]["schemas"])
        for amount in AMOUNTS
        if path.endswith("Request") and amount in node.get("properties", {})
    ]
    for shape in shapes:
        validator = jsonschema.Draft4Validator(shape)
        assert [cents for cents in range(1, 20_000) if not validator.is_valid(cents / 100)] == []


def test_amounts_are_looked_at_in_two_documents() -> None:
    """Else the test above would have nothing to look at; an order's amounts are its products'."""
    with_amounts = {
        name
        for name in NAMES
        for path, node in nodes(DOCUMENTS[name]["components"]["schemas"])
        if path.endswith("Request") and set(AMOUNTS) & set(node.get("properties", {}))
    }
    assert with_amounts == {"payment_service", "product_stub"}


@pytest.mark.parametrize("name", NAMES)
def test_a_body_that_may_be_left_out_may_be_null_and_no_other(name: str) -> None:
    """As the services have it."""
    components = DOCUMENTS[name]["components"]["schemas"]
    for method, path, operation in operations(name):
        body = operation.get("requestBody")
        if body is not None:
            component = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            may_be_null = components[component].get("nullable", False)
            assert may_be_null is not body.get("required", False), f"{method} {path}"
