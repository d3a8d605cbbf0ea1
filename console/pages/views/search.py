"""Search: by id, number, name, reference, transaction or request."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

import orderpay
from console.pages.services import ask, looking
from console.pages.views.orders import PER_PAGE

_MAX_LENGTH: Final = 255
_NUMBER_OR_ID: Final = re.compile(r"[0-9]+|[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_TRANSACTION: Final = re.compile(r"(txn|pi|ch)_.+", re.ASCII)
# A reference has its day in it.
_REFERENCE: Final = re.compile(r"ECI(\d{4})(\d\d)(\d\d)-[0-9A-F]{8}", re.IGNORECASE | re.ASCII)
# What a client may send as its own, or a service makes.
_REQUEST: Final = re.compile(r"[A-Za-z0-9._-]{4,128}", re.ASCII)


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Straight to what is meant, where that is one thing; else a list of what it may be."""
    text = request.GET.get("q", "").strip()[:_MAX_LENGTH]
    pages = next((found for shape, find in _FINDERS if shape.fullmatch(text) and (found := find(text))), [])
    if len(pages) == 1:
        return HttpResponseRedirect(pages[0])
    rows = problem = None
    if text and not pages:
        asked = ask(lambda: looking().orders.page(1, per_page=PER_PAGE, customer_name=text), of="orders")
        rows, problem = (asked.value or ((), 0))[0], asked.problem
    return render(request, "console/search.html", {"q": text, "pages": pages, "rows": rows, "problem": problem})


def _by_number_or_id(text: str) -> Sequence[str]:
    client = looking()
    order = ask(lambda: client.orders.get(text, live=False), of="orders").value
    if order is not None:
        return [reverse("story", args=[order.number])]
    payment = (
        ask(lambda: client.payments.get(payment_id=text), of="payments").value
        or ask(lambda: client.payments.get(order_id=text), of="payments").value
    )
    return [reverse("payment", args=[payment.id])] if payment is not None else []


def _by_transaction(text: str) -> Sequence[str]:
    payment = ask(lambda: looking().payments.get(transaction_id=text), of="payments").value
    return [reverse("payment", args=[payment.id])] if payment is not None else []


def _by_reference(text: str) -> Sequence[str]:
    parts = _REFERENCE.fullmatch(text)
    day = parse_date("-".join(parts.groups())) if parts else None
    if day is None:
        return []
    payment = ask(partial(_referred, text.upper(), day), of="payments").value
    return [reverse("payment", args=[payment.payment_id])] if payment is not None else []


def _referred(reference: str, day: date) -> orderpay.Payment | None:
    that_day = looking().payments.list(start_date=day, end_date=day, per_page=200)
    return next((each for each in that_day if each.reference == reference), None)


def _by_request(text: str) -> Sequence[str]:
    """The orders that a request did something to; payments, where it did nothing to an order."""
    for of, page in (("orders", "story"), ("payments", "payment")):
        events = ask(partial(looking().operations[of].events, request_id=text), of=of).value or ()
        if events:
            return [reverse(page, args=[found]) for found in dict.fromkeys(each.aggregate_id for each in events)]
    return []


# What a text may be by its shape, and where that is. The first that is found counts.
_FINDERS: Final[Sequence[tuple[re.Pattern[str], Callable[[str], Sequence[str]]]]] = (
    (_NUMBER_OR_ID, _by_number_or_id),
    (_TRANSACTION, _by_transaction),
    (_REFERENCE, _by_reference),
    (_REQUEST, _by_request),
)
