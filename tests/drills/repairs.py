"""The repair of books that disagree, read from the page that describes it: what the audit says, and the calls to make.

The page is the program: the drill makes exactly the calls that stand in its table, so neither can say what the other
does not.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.client import Http, Reply

HEADING: Final = "| The audit says of an order | Do |"
SERVICE_AT: Final[Mapping[str, str]] = {"8000": "order_service", "8001": "product_stub", "8002": "payment_service"}
_QUOTED: Final = re.compile(r"`([^`]+)`")
_CALL: Final = re.compile(r"(GET|POST|PUT|DELETE) http://localhost:(\d+)(/\S*)(?: (\{.*\}))?")


@dataclass(frozen=True)
class Violation:
    """What the audit says of one order."""

    order_id: str
    name: str
    message: str


@dataclass(frozen=True)
class Call:
    """A request. `body` is JSON with {id}, {total}, {currency} and {items} in it; empty for none."""

    service: str
    method: str
    path: str
    body: str = ""

    def make(self, client: Http, order_id: str, orders: Http) -> Reply:
        """`orders` are asked for what the order is over, only where the body needs it."""
        values = {"id": order_id}
        if any(f"{{{name}}}" in self.body for name in ("total", "currency", "items")):
            values |= facts_of(orders, order_id)
        options = {"json": json.loads(_filled(self.body, values))} if self.body else {}
        return client.request(self.method, _filled(self.path, values), **options)


@dataclass(frozen=True)
class Repair:
    """A row of the table: what is said (any of `says`), and what is to be done, in this order."""

    says: tuple["re.Pattern[str]", ...]
    calls: tuple[Call, ...]
    text: str

    def is_for(self, violation: Violation) -> bool:
        return any(each.search(violation.message) for each in self.says)


def read(page: Path) -> Sequence[Repair]:
    """The rows of the page's table, in its order.

    Raises:
        ValueError: there is no such table, or a row of it cannot be understood.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    if HEADING not in lines:
        raise ValueError(f"{page.name} has no table {HEADING}")
    rows: list[Repair] = []
    for line in lines[lines.index(HEADING) + 2 :]:
        if not line.startswith("|"):
            break
        said, done = line.strip("|").split(" | ", 1)
        says = tuple(_pattern(each) for each in _QUOTED.findall(said))
        calls = tuple(_call(each) for each in _QUOTED.findall(done))
        if not says or not calls:
            raise ValueError(f"says nothing, or asks for nothing: {line}")
        rows.append(Repair(says, calls, said.strip().replace("`", "")))
    return rows


def first_for(repairs: Sequence[Repair], violations: Sequence[Violation]) -> Repair | None:
    """The first row that fits any of an order's violations."""
    return next((each for each in repairs if any(map(each.is_for, violations))), None)


def by_order(violations: Sequence[Violation]) -> Mapping[str, list[Violation]]:
    found: dict[str, list[Violation]] = {}
    for violation in violations:
        found.setdefault(violation.order_id, []).append(violation)
    return found


def facts_of(orders: Http, order_id: str) -> Mapping[str, str]:
    """What an order is over, as JSON to be put into a body."""
    order = orders.get(f"/api/orders/{order_id}/").json
    items = [{"product_id": line["product_id"], "quantity": line["quantity"]} for line in order["items"]]
    return {"total": str(order["total_amount"]), "currency": order["currency"], "items": json.dumps(items)}


def violations_in(lines: Sequence[Mapping[str, Any]]) -> tuple[list[Violation], list[str]]:
    """What the audit's lines say that the services differ in, and what one of them finds in its own books."""
    across, own = [], []
    for line in lines:
        if line["kind"] == "violation" and line["service"] == "across":
            across.append(Violation(line["subject"].removeprefix("order "), line["name"], line["message"]))
        elif line["kind"] == "violation":
            own.append(f"{line['service']}: {line['name']}: {line['subject']}: {line['message']}")
    return across, own


def _pattern(said: str) -> "re.Pattern[str]":
    return re.compile(".*".join(map(re.escape, said.split("…"))))


def _call(text: str) -> Call:
    match = _CALL.fullmatch(text)
    if match is None or match[2] not in SERVICE_AT:
        raise ValueError(f"no call of a service: {text}")
    return Call(SERVICE_AT[match[2]], match[1], match[3], match[4] or "")


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
