"""How money, times and states stand on a page."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.pages import words

register = template.Library()


@register.filter
def money(amount: Decimal | None, currency: str | None = "") -> str:
    """`1,234.50 USD`; a dash where there is none."""
    return "—" if amount is None else words.money(amount, currency)


@register.filter
def digits_of(amount: Decimal | None, currency: str | None) -> str:
    """The same where the currency stands elsewhere."""
    return "—" if amount is None else words.digits(amount, currency)


@register.simple_tag
def chip(name: str | None) -> SafeString:
    """A state: a sign, a word and a colour, each of which says it alone."""
    return shown(words.state(name))


@register.filter
def shown(word: words.Word) -> SafeString:
    return format_html(
        '<span class="chip {}"><span aria-hidden="true">{}</span> {}</span>', word.tone, word.sign, word.label
    )


@register.simple_tag
def moment(at: datetime | None, kind: str = "long") -> SafeString:
    """A time in UTC; a script beside it says how long ago that is."""
    if at is None:
        return SafeString("—")
    form = {"long": "%d %b %Y, %H:%M:%S", "short": "%H:%M:%S", "day": "%d %b %Y, %H:%M"}[kind]
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        f"{at:%d %B %Y, %H:%M:%S.%f}"[:-3],
        at.strftime(form),
    )


@register.simple_tag
def deadline(at: datetime | None) -> SafeString:
    """A time that is counted down to."""
    if at is None:
        return SafeString("")
    return format_html('<time datetime="{}" data-deadline>{} UTC</time>', at.isoformat(), at.strftime("%H:%M:%S"))


@register.filter
def as_json(value: Any) -> str:
    """For an attribute, where it is escaped."""
    return json.dumps(value, separators=(",", ":"))


@register.filter
def cause(code: str | None) -> str:
    return words.cause(code)


@register.filter
def plainly(promise: str) -> str:
    """An invariant's promise without the option of a command that it names."""
    return promise.replace("--quiet-for", "three minutes")


@register.filter
def field(given: Any, name: str) -> str:
    """What was filled in."""
    return str(given.get(name, ""))


@register.filter
def counted(number: int) -> str:
    """With a comma at each thousand."""
    return f"{number:,}"


@register.filter
def isolated(text: str) -> str:
    """For an attribute or a title, where no `bdi` can be: what turns the direction of writing turns its own alone."""
    return f"\u2068{text}\u2069"
