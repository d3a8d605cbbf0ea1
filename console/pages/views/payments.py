"""Payments: the list with the filters of the door `charges`, what is seen as CSV, and the story of one."""

import csv
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

import orderpay
from console.pages import story, words
from console.pages.paging import page_of, pages
from console.pages.services import ask, looking
from console.pages.views import problems
from console.pages.views.orders import context_of

PER_PAGE: Final = 25
FILTERS: Final = (
    "order_id",
    "method",
    "status",
    "refunded",
    "amount_gt",
    "amount_lt",
    "start_date",
    "end_date",
    "sort_by_created",
)
METHODS: Final = ("DIRECT", "CARD", "UPI", "COD", "CREDIT_CARD", "DEBIT_CARD", "PAYPAL", "STRIPE")
# Rows of one export; a client of the API has no such bound.
MAX_EXPORTED: Final = 10_000
COLUMNS: Final = (
    "payment_id",
    "order_id",
    "amount",
    "authorized_amount",
    "refunded_amount",
    "method",
    "status",
    "reference",
    "created_at",
    "currency",  # last, so that the other columns keep their places
)
_AMOUNTS: Final = frozenset({"amount", "authorized_amount", "refunded_amount"})
# A payment's state by the filter that finds it.
_BY_FILTER: Final = {"CAPTURED": "SUCCESS"}
# What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Payments, as they are filtered."""
    given, page = _given(request), page_of(request)
    found = ask(lambda: looking().payments.page(page or 1, per_page=PER_PAGE, **given), of="payments")
    rows, total = found.value or ((), None)
    context = {
        "rows": rows if page else (),
        "problem": found.problem,
        "filters": {name: request.GET.get(name, "") for name in FILTERS},
        "methods": METHODS,
        "statuses": ("SUCCESS", "FAILED", "PENDING", "VOIDED"),
        "query": urlencode(given),
        **pages(page, PER_PAGE, total, shown=len(rows)),
    }
    return render(request, "console/payments.html", context, status=404 if context["is_beyond"] else 200)


@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """All that the list shows with these filters, not only its page; what is no CSV has another status than 200."""
    rows = looking().payments.list(per_page=200, **_given(request))
    try:
        first = next(rows, None)
    except orderpay.Invalid as refused:
        return problems.page(request, 422, "Not exported", f"The payment service says: {refused.message}.")
    except orderpay.RateLimited as refused:
        return problems.page(request, 429, "Not exported", f"The payment service says: {refused.message}.")
    answer = StreamingHttpResponse(_lines(first, rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="payments.csv"'
    return answer


@require_safe
def payment_page(request: HttpRequest, payment_id: str) -> HttpResponse:
    """A payment; one of an order that the order service has is shown with it."""
    told = story.of_payment(payment_id)
    order_id = told.payment.order_id if told.payment else None
    if isinstance(order_id, str):
        order = ask(lambda: looking().orders.get(order_id, live=False), of="orders").value
        if order is not None:
            return HttpResponseRedirect(reverse("story", args=[order.number]))
    return render(request, "console/story.html", context_of(told))


def _given(request: HttpRequest) -> dict[str, Any]:
    return {name: request.GET[name].strip() for name in FILTERS if request.GET.get(name, "").strip()}


def _lines(first: orderpay.Payment | None, others: Iterator[orderpay.Payment]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    if first is None:
        return
    yield writer.writerow(_cells(first))
    for count, payment in enumerate(others, start=2):
        if count > MAX_EXPORTED:
            return
        yield writer.writerow(_cells(payment))


def _cells(payment: orderpay.Payment) -> list[str]:
    return [_cell(name, getattr(payment, name), payment.currency) for name in COLUMNS]


def _cell(name: str, value: Any, currency: str | None) -> str:
    """As the API has it: a moment with Z, an amount with the decimals of its currency, a status as it is asked for."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if name in _AMOUNTS:
        return words.digits(value, currency).replace(",", "")
    text = _BY_FILTER.get(value, value) if name == "status" else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Echo:
    """Gives back what a CSV writer writes, a line at a time."""

    def write(self, line: str) -> str:
        return line
