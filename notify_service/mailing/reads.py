"""Reading mails."""

from collections.abc import Mapping
from typing import Any

from notify_service.mailing.models import Mail
from servicekit.web import paging
from servicekit.web.paging import Listed, Place


def list_mails(place: Place, filters: Mapping[str, Any]) -> Listed[Mail]:
    """One page, newest first, without the mails' words; a page behind the last one is empty."""
    rows = Mail.objects.filter(**filters).defer("body").order_by("-number")
    if place.behind is None:
        return paging.numbered(rows, place, total=rows.count())
    if place.behind:
        rows = rows.filter(number__lt=place.behind[0])
    return paging.behind(rows, per_page=place.per_page)
