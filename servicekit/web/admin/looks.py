"""What makes Django's admin speak to a person: names of tables in the field's words, short ids, times and links."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# Characters of an id that tell it from others at a glance; the whole one stands in its title.
_SHORT: Final = 8
_BELOW: Final = SafeString("<br>")


def called(model: type[Model], one: str, many: str) -> None:
    """What a table is called in the admin. Not in the model, where each other word would be a migration."""
    model._meta.verbose_name, model._meta.verbose_name_plural = one, many


def short_id(value: Any) -> SafeString:
    """An id that does not fill a row; all of it where the pointer rests, and for a search of the page."""
    return format_html('<span class="nowrap" title="{}">{}…</span>', value, str(value)[:_SHORT])


def in_one_line(text: str) -> SafeString:
    """What a narrow column may not break."""
    return format_html('<span class="nowrap">{}</span>', text)


def moment(at: datetime | None) -> str:
    """To the second, in one line."""
    return in_one_line(f"{at:%Y-%m-%d %H:%M:%S}") if at else "-"


def events_of(aggregate_id: object, label: str = "Its events") -> SafeString:
    """A link to the trail of one order or payment."""
    return format_html('<a href="{}?q={}">{}</a>', reverse("admin:events_event_changelist"), aggregate_id, label)


def on_the_page(path: str, label: str) -> SafeString:
    """A link to the console, which shows an order and its payment together."""
    return format_html('<a href="{}{}">{}</a>', settings.CONSOLE_URL, path, label)


def trail(events: Sequence[Mapping[str, Any]]) -> SafeString:
    """Events one under the other: when, what, by whom."""
    return format_html_join(
        _BELOW,
        "{} <b>{}</b> by {}",
        (
            (
                each["created_at"][:19].replace("T", " "),
                each["type"].partition(".")[2].replace("_", " "),
                each["actor"] or "-",
            )
            for each in events
        ),
    )


def pairs(told: Mapping[str, Any]) -> SafeString:
    """Names and values one under the other, in place of JSON."""
    return format_html_join(_BELOW, "{}: {}", ((name.replace("_", " "), value) for name, value in told.items()))
