"""Which page of a list is shown, and what can be said of how many there are."""

from typing import Any, Final

from django.http import HttpRequest

# The last one that a service is asked for.
_MAX_PAGE: Final = 10**6


def page_of(request: HttpRequest) -> int | None:
    """The page that the address names, the first where it names none; None: it names none that there can be."""
    text = request.GET.get("page", "1")
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_PAGE))
    return int(text) if is_number and 0 < int(text) <= _MAX_PAGE else None


def pages(page: int | None, per_page: int, total: int | None, *, shown: int) -> dict[str, Any]:
    """What a list says of its pages. `total` None: it is not known. `page` None: there can be no such page."""
    last = None if total is None else max(1, -(-total // per_page))
    return {
        "page": page,
        "page_count": last,
        "total_count": total,
        "has_more": page is not None and last is not None and page < last,
        "is_beyond": page is None or (last is not None and page > last and not shown),
    }
