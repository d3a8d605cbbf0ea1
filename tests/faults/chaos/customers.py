"""Customers who do what the plan says, repeat under its key whatever was not answered, and remember every answer."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import requests

from tests.client import Http, Reply
from tests.faults.chaos.plan import Customer, Step

# How long a customer repeats a request before they turn to something else. It is asked again when all is quiet.
PATIENCE_S: Final = 15.0
# Between two tries, doubled up to the longest.
PAUSE_S: Final = 0.15
LONGEST_PAUSE_S: Final = 2.0
# Those who go away: before most answers, after most requests have arrived.
DROPS_AFTER_S: Final = 0.02
# What a service says while it has not made up its mind, besides 5xx and 429.
NOT_YET: Final = {"idempotency_key_in_use", "order_busy", "payment_in_progress", "payment_overtaken"}


@dataclass
class Asked:
    """One request and its first answer."""

    customer: str
    do: str
    service: str
    path: str
    body: Mapping[str, Any] | None
    key: str
    reply: Reply | None = None
    tries: int = 0

    @property
    def is_answered(self) -> bool:
        return self.reply is not None

    @property
    def order(self) -> str:
        """The id of the order that was placed by this; empty where none was."""
        body = self.reply.json if self.reply is not None and isinstance(self.reply.json, dict) else {}
        return str(body.get("id", "")) if self.do == "place" else ""


@dataclass
class Memory:
    """All that customers have asked and were told."""

    asked: list[Asked] = field(default_factory=list)
    # Answers under one key that were not the same, as sentences.
    changed: list[str] = field(default_factory=list)
    answered: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, asked: Asked) -> Asked:
        with self._lock:
            self.asked.append(asked)
        return asked

    def hear(self, asked: Asked, reply: Reply) -> None:
        """Keep the first answer; where another one comes to the same request, keep that it was another.

        A refusal is no answer to be kept: the request was not carried out, and may be when it comes again.
        """
        with self._lock:
            self.answered += not asked.is_answered
            if asked.reply is None or asked.body is None or not is_kept(asked.reply):
                asked.reply = reply
            elif is_given_back(reply):  # of a copy that came before the one that was carried out
                return
            elif (asked.reply.status, asked.reply.text) != (reply.status, reply.text):
                first = asked.reply
                self.changed.append(
                    f"{asked.customer}: {asked.do} was answered {first.status} {first.text}, and then "
                    f"{reply.status} {reply.text}"
                )


def is_final(reply: Reply) -> bool:
    """Whether the service has made up its mind. A 503 with an order in it has: the order is cancelled."""
    body = reply.json if isinstance(reply.json, dict) else {}
    if reply.status >= 500 or reply.status == 429:
        return "number" in body
    return body.get("code") not in NOT_YET


def is_kept(reply: Reply) -> bool:
    """Whether the service keeps this answer for those who ask again: what was carried out, not what was refused."""
    has_order = isinstance(reply.json, dict) and "number" in reply.json
    return reply.status < 300 or (has_order and not is_given_back(reply))


def is_given_back(reply: Reply) -> bool:
    """Whether the key may be used anew: the same request places another order then."""
    return reply.status == 503


class Shop:
    """Where customers go: the services' addresses, the scarce product's id, and what everybody remembers."""

    def __init__(self, urls: Mapping[str, str], memory: Memory, *, scarce: int, seed: int) -> None:
        self._urls = urls
        self._scarce = scarce
        self._seed = seed
        self.memory = memory

    def visit(self, customer: Customer, closing: threading.Event) -> None:
        """Do all steps; those that nothing is known for, such as paying an order without an id, are left out."""
        known: dict[str, str] = {}
        for number, step in enumerate(customer.steps):
            if closing.wait(step.wait_s):
                return
            request = self._request(step, customer, known)
            if request is None:
                continue
            service, path, body = request
            key = f"chaos-{self._seed}-{customer.name}-{number}"
            asked = self.memory.add(Asked(customer.name, step.do, service, path, body, key))
            self._send(asked, step)
            _learn(known, asked)

    def ask_again(self, asked: Asked) -> Reply | None:
        """One try."""
        asked.tries += 1
        http = Http(self._urls[asked.service])
        try:
            if asked.body is None:
                return http.get(asked.path)
            return http.post(asked.path, dict(asked.body), key=asked.key)
        except requests.RequestException:
            return None

    def insist(self, asked: Asked, *, for_s: float) -> None:
        """Ask until there is an answer, or for so long."""
        deadline, pause_s = time.monotonic() + for_s, PAUSE_S
        while True:
            reply = self.ask_again(asked)
            if reply is not None and is_final(reply):
                self.memory.hear(asked, reply)
                return
            if time.monotonic() > deadline:
                return
            time.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _send(self, asked: Asked, step: Step) -> None:
        if step.drops and asked.body is not None:
            self._drop(asked)
        with ThreadPoolExecutor(step.copies) as pool:
            for _ in range(step.copies):
                pool.submit(self.insist, asked, for_s=PATIENCE_S)

    def _drop(self, asked: Asked) -> None:
        with suppress(requests.RequestException):
            Http(self._urls[asked.service], patience_s=DROPS_AFTER_S).post(asked.path, asked.body, key=asked.key)

    def _request(
        self, step: Step, customer: Customer, known: Mapping[str, str]
    ) -> tuple[str, str, Mapping[str, Any] | None] | None:
        if step.do == "place":
            items = [{**item, "product_id": item["product_id"] or self._scarce} for item in step.body["items"]]
            return "order_service", "/api/orders/", {**step.body, "items": items, "customer_name": customer.name}
        service, path, needs, body = REQUESTS[step.do]
        if any(name not in known for name in (*needs, *(body or {}).values())):
            return None
        filled = {name: known[value] for name, value in body.items()} if body is not None else None
        return service, path.format(**known), filled if filled is None else {**filled, **_details(step)}


def _details(step: Step) -> dict[str, Any]:
    """What a step adds to its request by itself."""
    amount = {"amount": step.body["amount"]} if "amount" in step.body else {}
    if "token" not in step.body:
        return amount
    details = {"payment_method_details": {"token": step.body["token"]}}
    if step.do in ("process", "authorize"):
        method = {"payment_method": "credit_card", "currency": "USD", "capture": step.do == "process"}
    else:
        method = {"method": "CARD"}
    return {**amount, **details, **method}


def _learn(known: dict[str, str], asked: Asked) -> None:
    body = asked.reply.json if asked.reply is not None and isinstance(asked.reply.json, dict) else {}
    if asked.do == "place" and "id" in body:
        known.update(order=body["id"])
        if body["status"] != "CANCELLED":  # nobody pays for what they were told is cancelled
            known.update(total=str(body["total_amount"]))
    for name in ("transaction_id", "payment_id"):
        if body.get(name) is not None:
            known[name] = str(body[name])


# What is done -> service, path, what must be known for it, and the body as {field: what is known}; None is a GET.
REQUESTS: Final[Mapping[str, tuple[str, str, tuple[str, ...], Mapping[str, str] | None]]] = {
    "pay": ("payment_service", "/pay", ("order",), {"order_id": "order", "amount": "total"}),
    "charge": ("payment_service", "/api/payments/", ("order",), {"order_id": "order", "amount": "total"}),
    "charge_v1": ("payment_service", "/v1/payments/charge", ("order",), {"order_id": "order", "amount": "total"}),
    "process": ("payment_service", "/api/v1/payments/process", ("order",), {"order_id": "order", "amount": "total"}),
    "authorize": ("payment_service", "/api/v1/payments/process", ("order",), {"order_id": "order", "amount": "total"}),
    "capture": (
        "payment_service",
        "/api/v1/payments/capture",
        ("transaction_id",),
        {"transaction_id": "transaction_id"},
    ),
    "void_transaction": (
        "payment_service",
        "/api/v1/payments/void",
        ("transaction_id",),
        {"transaction_id": "transaction_id"},
    ),
    "refund": ("payment_service", "/api/v1/payments/refund", ("transaction_id",), {"transaction_id": "transaction_id"}),
    "refund_all": ("payment_service", "/v1/payments/{payment_id}/refund", ("payment_id",), {}),
    "void": ("payment_service", "/api/payments/{order}/void/", ("order",), {}),
    "cancel": ("order_service", "/api/orders/{order}/cancel/", ("order",), {}),
    "look_again": ("order_service", "/api/orders/{order}/payment/", ("order",), {}),
    "look_at_payment": ("payment_service", "/api/v1/payments/order/{order}", ("order",), None),
    "show": ("order_service", "/api/orders/{order}/", ("order",), None),
}
