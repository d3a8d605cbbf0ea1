"""Reading mails."""

from collections.abc import Mapping
from typing import Any

from notify_service.mailing.models import Mail
from servicekit.web import paging
from servicekit.web.paging import Listed, Place


def list_mails(place: Place, filters: Mapping[str, Any]) -> Listed[Mail]:
    """One page, newest first, without the mails' words; a page behind the last one is empty."""
    return paging.page_of(Mail.objects.filter(**filters).defer("body"), place, newest_first=True)
