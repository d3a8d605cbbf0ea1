"""Every list of every service, as the OpenAPI documents have them: a parameter that means nothing there is refused."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from tests.stack import ROOT, Stack

SERVICES: Final = ("order_service", "payment_service", "product_stub")
ORDER: Final = {"customer_name": "Alice", "product_ids": [1]}


def lists() -> Iterator[tuple[str, str, bool]]:
    """Service, path, and whether it is turned by a cursor, of each GET whose answer has `items`."""
    for service in SERVICES:
        document = yaml.safe_load((ROOT / "docs" / "openapi" / f"{service}.yaml").read_text())
        for path, operations in document["paths"].items():
            found = properties(document, operations["get"]) if "get" in operations else {}
            if "items" in found and "status" not in found:  # an order and a reservation have items, too
                names = {each["name"] for each in operations["get"].get("parameters", [])}
                yield service, path, "cursor" in names


def properties(document: Any, operation: Any) -> Any:
    """Of the answer."""
    content = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema.get("properties", {})


LISTS: Final = sorted(lists())
PAGED: Final = [(service, path) for service, path, is_paged in LISTS if is_paged and "{" not in path]


def filled_in(path: str) -> str:
    """A path with an id for each name in it; nothing needs to be there."""
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


def test_there_are_lists() -> None:
    """The documents were read."""
    assert len(LISTS) >= 12
    assert len(PAGED) >= 3


@pytest.mark.parametrize(("service", "path", "_is_paged"), LISTS)
@pytest.mark.parametrize("said", ["nonsense=1", "perpage=5", "Page=1", "=1"])
def test_a_parameter_that_it_does_not_know_is_named(
    stack: Stack, service: str, path: str, _is_paged: bool, said: str
) -> None:
    """400; a list is never longer than was asked for because a filter was spelled wrong."""
    answer = stack.client(service).get(f"{filled_in(path)}?{said}")
    assert answer.status == 400
    assert (said.partition("=")[0] or "=") in answer.json["fields"]


@pytest.mark.parametrize(("service", "path"), PAGED)
@pytest.mark.parametrize("cursor", ["%00", "%20", "%E2%80%8B", "x", "AAAA", "W10", "%F0%9F%98%80"])
def test_what_is_no_cursor_is_refused(stack: Stack, service: str, path: str, cursor: str) -> None:
    """And not taken for the first page, nor for the last."""
    answer = stack.client(service).get(f"{path}?cursor={cursor}")
    assert (answer.status, list(answer.json["fields"])) == (400, ["cursor"])


def test_a_cursor_is_for_the_list_that_gave_it(stack: Stack) -> None:
    """In any other it would be somewhere, and what follows would look like the end."""
    for _ in range(2):
        assert stack.orders.post("/api/orders/", ORDER).status == 201
    cursors = {}
    for service, path in PAGED:
        page = stack.client(service).get(f"{path}?cursor=&per_page=1")
        assert page.status == 200
        cursors[service, path] = page.json["next_cursor"]
        assert isinstance(cursors[service, path], str)
    for giver, cursor in cursors.items():
        for service, path in PAGED:
            answer = stack.client(service).get(f"{path}?per_page=1&cursor={cursor}")
            assert answer.status == (200 if (service, path) == giver else 400)


def test_an_orders_id_in_capitals_finds_its_events(stack: Stack) -> None:
    """As it does in a path."""
    order = stack.orders.post("/api/orders/", ORDER).json["id"]
    small, capital = (
        stack.orders.get(f"/api/events/?aggregate_id={spelled}").json["items"] for spelled in (order, order.upper())
    )
    assert small[0] == capital[0]
