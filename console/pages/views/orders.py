"""Orders: the list, search, and the story of one."""

import re
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

import orderpay
from console.pages import live, story
from console.pages.services import ask, looking

PER_PAGE: Final = 25
_UUID: Final = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_REFERENCE: Final = re.compile(r"ECI(\d{4})(\d\d)(\d\d)-[0-9A-F]{8}", re.IGNORECASE | re.ASCII)


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Orders, newest first."""
    page = page_of(request)
    status, name = request.GET.get("status", ""), request.GET.get("customer_name", "").strip()
    unfinished = request.GET.get("unfinished_for", "")
    filters = {"status": status, "customer_name": name, "unfinished_for": unfinished}
    given = {key: value for key, value in filters.items() if value}
    found = ask(lambda: looking().orders.page(page, per_page=PER_PAGE, **given), of="orders")
    rows, total = found.value or ((), 0)
    context = {
        "rows": rows,
        "total": total,
        "problem": found.problem,
        "page": page,
        "has_more": page * PER_PAGE < total,
        "filters": filters,
        "statuses": ("PENDING", "PAID", "CANCELLED", "REFUNDED"),
        "query": urlencode(given),
        "unfinished_choices": (("0", "any time"), ("60", "a minute"), ("900", "a quarter of an hour")),
    }
    return render(request, "console/orders.html", context)


@require_safe
def story_page(request: HttpRequest, reference: str) -> HttpResponse:
    return render(request, "console/story.html", context_of(story.of_order(reference)))


@require_safe
def story_live(request: HttpRequest, reference: str) -> HttpResponse:
    return live.part(request, "console/_story.html", context_of(story.of_order(reference)))


def context_of(told: story.Story) -> dict[str, Any]:
    """What the page of an order, or of a payment, shows."""
    verdicts = story.verdicts(told)
    return {
        "story": told,
        "rail": story.rail(told),
        "moments": story.timeline(told),
        "next_up": story.next_up(told),
        "actions": story.actions(told),
        "verdicts": verdicts,
        "violated": [each for each in verdicts if each.violations],
        "refresh_s": 3 if told.is_unfinished else None,
    }


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """By id, number, name, reference or transaction: straight to what is meant, or a list of what it may be."""
    text = request.GET.get("q", "").strip()[:255]
    client = looking()
    if text.isascii() and (text.isdigit() or _UUID.fullmatch(text)):
        order = ask(lambda: client.orders.get(text, live=False), of="orders").value
        if order is not None:
            return HttpResponseRedirect(reverse("story", args=[order.number]))
        payment = ask(lambda: client.payments.get(payment_id=text), of="payments").value or (
            ask(lambda: client.payments.get(order_id=text), of="payments").value
        )
        if payment is not None:
            return HttpResponseRedirect(reverse("payment", args=[payment.id]))
    if text.startswith(("txn_", "pi_", "ch_")):
        by_transaction = ask(lambda: client.payments.get(transaction_id=text), of="payments").value
        if by_transaction is not None:
            return HttpResponseRedirect(reverse("payment", args=[by_transaction.id]))
    if (reference := _REFERENCE.fullmatch(text)) and (day := parse_date("-".join(reference.groups()))):
        number = _by_reference(client, text.upper(), day)
        if number is not None:
            return HttpResponseRedirect(reverse("payment", args=[number]))
    found = ask(lambda: client.orders.page(1, per_page=PER_PAGE, customer_name=text), of="orders") if text else None
    rows = found.value[0] if found and found.value else ()
    return render(request, "console/search.html", {"q": text, "rows": rows, "problem": found.problem if found else ""})


def _by_reference(client: orderpay.Client, reference: str, day: date) -> int | None:
    """A reference has its day in it."""

    def find() -> orderpay.Payment | None:
        that_day = client.payments.list(start_date=day, end_date=day, per_page=200)
        return next((each for each in that_day if each.reference == reference), None)

    found = ask(find, of="payments")
    return found.value.payment_id if found.value else None


def page_of(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return min(int(text), 1_000_000) if text.isascii() and text.isdigit() and 0 < len(text) < 8 and int(text) else 1
