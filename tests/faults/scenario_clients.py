"""Clients as they should be: each has an idempotency key for every request, and repeats what got no answer.

A journey is a generator: it yields requests, is sent the answers, and ends when its customer is content.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import requests

from tests.client import Http, Reply
from tests.stack import Service, Stack, free_ports

PRODUCT: Final = 2  # 20.00
SOLD_OUT: Final = 6
# What a page answers to its form.
SEE_OTHER: Final = 303


@dataclass(frozen=True)
class Ask:
    """One request: a POST of JSON, or of a page's form; or a GET that is repeated until its answer will do."""

    service: str
    path: str
    body: Mapping[str, Any] | None = None
    until: Callable[[Any], bool] = lambda _: True
    form: Mapping[str, str] | None = None


Journey = Generator[Ask, Reply, None]


@dataclass(frozen=True)
class Kind:
    """A kind of customer.

    Attributes:
        journey: What they do, given how much they buy.
        ends: How the order ends where every peer of the order service is there, whatever the order service suffers.
        may_end: How else, where a peer is away for a moment.
        answer: The status code that they get for their order when all is well.
    """

    journey: Callable[[int], Journey]
    ends: str
    may_end: str = "CANCELLED"
    answer: int = 201


def order(quantity: int, **more: Any) -> Ask:
    items = [{"product_id": PRODUCT, "quantity": quantity}, {"product_id": 1, "quantity": 1}]
    return Ask("order_service", "/api/orders/", {"customer_name": "Alice", "items": items, **more})


def by_card(token: str) -> dict[str, Any]:
    return {"payment_method": "CARD", "payment_method_details": {"token": token}}


class ScenarioClient:
    """One customer of a kind, under way.

    Args:
        is_exact: Whether nothing but `kind.ends` will do.
        quantity: How much they buy; by it a test knows the order before anybody has its id.
    """

    def __init__(self, name: str, kind: Kind, stack: Stack, *, is_exact: bool = True, quantity: int = 2) -> None:
        self.name = name
        self.kind = kind
        self.is_exact = is_exact
        self.urls = {name: service.url for name, service in stack.services.items()}
        self._steps = kind.journey(quantity)
        self._asked: list[tuple[Ask, str]] = [(next(self._steps), str(uuid4()))]
        self.answers: list[Reply] = []
        self.is_content = False
        # Lets the request in hand be answered, and asks no more.
        self.is_patient = False

    @property
    def may_end(self) -> list[str]:
        """The statuses that their order may have in the end."""
        return self.kind.ends.split() + ([] if self.is_exact else self.kind.may_end.split())

    @property
    def is_as_usual(self) -> bool:
        """Whether all went as it does where nothing is wrong."""
        return self.is_content and self.kind.answer in (0, self.answers[0].status)

    @property
    def order_id(self) -> str | None:
        """The order, once the customer was told of it."""
        return str(self.answers[0].json["id"]) if self.answers else None

    def go_on(self) -> bool:
        """Ask until everything is answered, or once in vain; a request without an answer keeps its key."""
        while not self.is_content and not self.is_patient:
            ask, key = self._asked[-1]
            answer = self._post(ask, key)
            if answer is None or not _is_final(answer) or not ask.until(answer.json):
                return False
            self.answers.append(answer)
            try:
                self._asked.append((self._steps.send(answer), str(uuid4())))
            except StopIteration:
                self.is_content = True
        return self.is_content

    def ask_all_again(self) -> list[str]:
        """Repeat every request under its key; what differs from the first answer, as sentences."""
        problems = []
        for (ask, key), first in zip(self._asked, self.answers, strict=True):
            if (
                ask.body is None and ask.form is None
            ) or first.status == 503:  # whose key was given back: again it is another order
                continue
            again = self._post(ask, key)
            if again is None or (again.status, again.text) != (first.status, first.text):
                said = (again.status, again.text) if again else "nothing"
                problems.append(f"{self}: POST {ask.path} said {first.status} {first.text}, and again {said}")
        return problems

    def _post(self, ask: Ask, key: str) -> Reply | None:
        http = Http(self.urls[ask.service])
        try:
            if ask.form is not None:
                return http.request("POST", ask.path, data=dict(ask.form))
            return http.get(ask.path) if ask.body is None else http.post(ask.path, dict(ask.body), key=key)
        except requests.RequestException:
            return None

    def __str__(self) -> str:
        return f"{self.name} ({self.order_id})"


def _is_final(answer: Reply) -> bool:
    """Whether the service has made up its mind. A 503 with an order in it has: the order is cancelled."""
    if answer.status == SEE_OTHER:
        return True
    if not isinstance(answer.json, dict):
        return False
    if answer.status >= 500 or answer.status == 429:
        return "number" in answer.json
    return answer.json.get("code") not in {"idempotency_key_in_use", "order_busy", "payment_busy"}


def pays_now(token: str | None = None) -> Callable[[int], Journey]:
    def journey(quantity: int) -> Journey:
        yield order(quantity, **({} if token is None else by_card(token)))

    return journey


def _buys_too_much(quantity: int) -> Journey:
    wanted = [{"product_id": PRODUCT, "quantity": quantity}, {"product_id": SOLD_OUT, "quantity": 1}]
    yield Ask("order_service", "/api/orders/", {"customer_name": "Bob", "items": wanted})


def _pays_later(quantity: int) -> Journey:
    placed = yield order(quantity, payment="later")
    if placed.status == 201:
        yield _pay(placed)


def _pay(placed: Reply) -> Ask:
    about = {"order_id": placed.json["id"], "amount": str(placed.json["total_amount"])}
    return Ask("payment_service", "/pay", {**about, "method": "CARD"})


def _cancels_unpaid(quantity: int) -> Journey:
    placed = yield order(quantity, payment="later")
    if placed.status == 201:
        yield Ask("order_service", f"/api/orders/{placed.json['id']}/cancel/", {})


def _cancels_paid(token: str) -> Callable[[int], Journey]:
    def journey(quantity: int) -> Journey:
        placed = yield order(quantity, **by_card(token))
        if placed.status == 201:
            yield Ask("order_service", f"/api/orders/{placed.json['id']}/cancel/", {})

    return journey


def _asks_twice_for_what_never_goes_back(quantity: int) -> Journey:
    placed = yield order(quantity, **by_card("tok_refund_fails"))
    if placed.status == 201:
        for _ in range(2):
            path = f"/api/orders/{placed.json['id']}/"
            yield Ask("order_service", f"{path}cancel/", {})
            yield Ask("order_service", path, until=lambda order: "refund_blocked" in order)


def _set_aside(placed: Reply, token: str = "tok_ok") -> Ask:
    body = {"order_id": placed.json["id"], "amount": str(placed.json["total_amount"]), "currency": "USD"}
    method = {"payment_method": "credit_card", "payment_method_details": {"token": token}}
    return Ask("payment_service", "/api/v1/payments/process", {**body, **method, "capture": False})


def _known(placed: Reply) -> Ask:
    """The payment, once its gateway's answer is known."""
    path = f"/api/v1/payments/order/{placed.json['id']}"
    return Ask("payment_service", path, until=lambda payment: payment["status"] != "processing")


def _at_door_d(path: str, authorized: Reply) -> Ask:
    return Ask("payment_service", f"/api/v1/payments/{path}", {"transaction_id": authorized.json["transaction_id"]})


def _sets_aside_and_is_charged(quantity: int) -> Journey:
    placed = yield order(quantity, payment="later")
    if placed.status == 201:
        yield _set_aside(placed)
        authorized = yield _known(placed)
        yield _at_door_d("capture", authorized)


def _sets_aside_and_changes_their_mind(quantity: int) -> Journey:
    placed = yield order(quantity, payment="later")
    if placed.status == 201:
        yield _set_aside(placed)
        authorized = yield _known(placed)
        yield _at_door_d("void", authorized)
        yield Ask("order_service", f"/api/orders/{placed.json['id']}/cancel/", {})


def _sets_aside_and_cannot_be_charged(quantity: int) -> Journey:
    placed = yield order(quantity, payment="later")
    if placed.status == 201:
        yield _set_aside(placed, "tok_capture_fails")
        authorized = yield _known(placed)
        yield _at_door_d("capture", authorized)
        yield Ask("order_service", f"/api/orders/{placed.json['id']}/cancel/", {})


def _is_refunded_at_the_payment_service(quantity: int) -> Journey:
    placed = yield order(quantity, payment="later")
    if placed.status == 201:
        yield _pay(placed)
        path = f"/api/orders/{placed.json['id']}/"
        shown = yield Ask("order_service", path, until=lambda order: order["status"] != "PENDING")
        if shown.json["status"] == "PAID":
            charged = yield _known(placed)
            yield _at_door_d("refund", charged)


def _is_asked_to_confirm(
    token: str, answer: str, *, cancels: bool = False, at_once: bool = False
) -> Callable[[int], Journey]:
    """The order waits for its payer, who answers at the bank's page.

    Args:
        cancels: They do so after the order was cancelled.
        at_once: They go there from the answer, where that has the page, and do not look at the order in between.
    """

    def journey(quantity: int) -> Journey:
        placed = shown = yield order(quantity, **by_card(token))
        if placed.status not in (201, 202):
            return
        path = f"/api/orders/{placed.json['id']}/"
        if not at_once or "next_action" not in placed.json:
            shown = yield Ask("order_service", path, until=lambda order: "next_action" in order or _has_ended(order))
        if cancels and not _has_ended(shown.json):
            yield Ask("order_service", f"{path}cancel/", {})
        if "next_action" in shown.json:
            page = urlsplit(shown.json["next_action"]["url"]).path
            yield Ask("payment_service", page, form={"answer": answer})

    return journey


def _has_ended(order: Any) -> bool:
    return bool(order["status"] != "PENDING")


def _never_confirms(quantity: int) -> Journey:
    yield order(quantity, **by_card("tok_3ds_ok"))


def _never_pays(quantity: int) -> Journey:
    yield order(quantity, payment="later")


KINDS: Final[Mapping[str, Kind]] = {
    "pays at once": Kind(pays_now(), "PAID"),
    "pays by card": Kind(pays_now("tok_ok"), "PAID"),
    "has no money": Kind(pays_now("tok_card_declined"), "CANCELLED", answer=400),
    "has money at the second try": Kind(pays_now("tok_decline_then_approve"), "PAID"),
    "is charged and nobody hears of it": Kind(pays_now("tok_charge_then_lose_reply"), "PAID"),
    "pays through a gateway that loses the request": Kind(pays_now("tok_lose_request"), "PAID"),
    "pays through a slow gateway": Kind(pays_now("tok_slow"), "PAID CANCELLED", answer=0),
    "wants what is sold out": Kind(_buys_too_much, "CANCELLED", answer=400),
    "pays later": Kind(_pays_later, "PAID"),
    "cancels an unpaid order": Kind(_cancels_unpaid, "CANCELLED"),
    "cancels a paid order": Kind(_cancels_paid("tok_ok"), "REFUNDED"),
    "is refunded and nobody hears of it": Kind(_cancels_paid("tok_refund_then_lose_reply"), "REFUNDED"),
    "is refunded at the second try": Kind(_cancels_paid("tok_refund_fails_once"), "REFUNDED"),
    "asks twice for what never goes back": Kind(_asks_twice_for_what_never_goes_back, "PAID"),
    "sets money aside and is charged": Kind(_sets_aside_and_is_charged, "PAID"),
    "sets money aside and changes their mind": Kind(_sets_aside_and_changes_their_mind, "CANCELLED"),
    "sets money aside and cannot be charged": Kind(_sets_aside_and_cannot_be_charged, "CANCELLED"),
    "confirms the payment": Kind(_is_asked_to_confirm("tok_3ds_ok", "approve"), "PAID"),
    "declines to confirm what nobody has heard of": Kind(
        _is_asked_to_confirm("tok_3ds_lose_reply", "decline"), "CANCELLED", answer=0
    ),
    "cancels, and confirms all the same": Kind(
        _is_asked_to_confirm("tok_3ds_ok", "approve", cancels=True), "CANCELLED", may_end="REFUNDED"
    ),
    "is refunded at the payment service": Kind(_is_refunded_at_the_payment_service, "REFUNDED"),
}
NEVER_PAYS: Final = Kind(_never_pays, "CANCELLED")
NEVER_CONFIRMS: Final = Kind(_never_confirms, "CANCELLED")
CONFIRMS_AT_ONCE: Final = Kind(_is_asked_to_confirm("tok_3ds_ok", "approve", at_once=True), "PAID")


def never_pay(
    stack: Stack, quantities: Iterable[int], *, name: str = "never pays", kind: Kind = NEVER_PAYS
) -> list[ScenarioClient]:
    """Clients whose orders nobody will pay, or confirm, placed through a server that leaves them a second for it."""
    ours = stack.services["order_service"]
    environment = {**ours.environment, "ORDER_EXPIRES_AFTER_S": "1"}
    impatient = Service(ours.name, free_ports(1)[0], database=ours.database, environment=environment)
    stack.know(ours.name, impatient.url)
    impatient.start()
    impatient.wait_until_up()
    clients = [ScenarioClient(name, kind, stack, quantity=quantity) for quantity in quantities]
    for client in clients:
        client.urls[ours.name] = impatient.url
        assert client.go_on()
        client.urls[ours.name] = ours.url
    impatient.stop()
    return clients
