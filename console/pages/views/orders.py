"""Orders: the list, and the story of one."""

from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from console.pages import live, story
from console.pages.paging import page_of, pages
from console.pages.services import ask, looking

PER_PAGE: Final = 25


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Orders, newest first."""
    page = page_of(request)
    status, name = request.GET.get("status", ""), request.GET.get("customer_name", "").strip()
    unfinished = request.GET.get("unfinished_for", "")
    filters = {"status": status, "customer_name": name, "unfinished_for": unfinished}
    given = {key: value for key, value in filters.items() if value}
    found = ask(lambda: looking().orders.page(page or 1, per_page=PER_PAGE, **given), of="orders")
    rows, total = found.value or ((), None)
    context = {
        "rows": rows if page else (),
        "problem": found.problem,
        "filters": filters,
        "statuses": ("PENDING", "PAID", "CANCELLED", "REFUNDED"),
        "query": urlencode(given),
        "unfinished_choices": (("0", "any time"), ("60", "a minute"), ("900", "a quarter of an hour")),
        **pages(page, PER_PAGE, total, shown=len(rows)),
    }
    return render(request, "console/orders.html", context, status=404 if context["is_beyond"] else 200)


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
        "channels": story.channels(told),
        "actions": story.actions(told),
        "verdicts": verdicts,
        "violated": [each for each in verdicts if each.violations],
        "refresh_s": 3 if told.is_unfinished else None,
    }
