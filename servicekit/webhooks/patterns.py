"""Which types of events an endpoint asks for: `order.paid`, `order.*`, `*`."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from django.conf import settings
from django.utils.module_loading import import_string

from servicekit import errors
from servicekit.webhooks import events

MOST: Final = 20
_PATTERN: Final = re.compile(r"\*|[a-z_]+(\.[a-z_]+)*(\.\*)?", re.ASCII)
_MAX_LENGTH: Final = 64


class BadPattern(errors.Invalid):
    code = "invalid"

    def __init__(self, sentence: str, *, name: str = "events") -> None:
        """`name`: the field that it was given in."""
        super().__init__(f"{name}: {sentence}", fields={name: [sentence]})


def known() -> list[str]:
    """Every type of event that this service tells of."""
    return sorted({*import_string(settings.EVENT_PAYLOADS), *events.PAYLOADS})


def checked(given: Sequence[str]) -> str:
    """The patterns as they are kept, each once. Raises BadPattern; for one that no event is of, too."""
    found, types = list(dict.fromkeys(given)), known()
    for each in found:
        if len(each) > _MAX_LENGTH or not _PATTERN.fullmatch(each):
            raise BadPattern(f'"order.paid", "order.*" or "*", not {each[:_MAX_LENGTH]!r}')
        if not matching(types, each):
            raise BadPattern(f"{each!r} is no type of event here, and no pattern of one. There are: {', '.join(types)}")
    text = " ".join(found)
    if not 0 < len(found) <= MOST or len(text) > 500:
        raise BadPattern(f"1 to {MOST} types or patterns")
    return text


def matches(event_type: str, kept: str) -> bool:
    """Whether one of the patterns, as they are kept, is for this type."""
    return any(_matches(event_type, each) for each in kept.split())


def matching(types: Iterable[str], kept: str) -> list[str]:
    """Those of the types that are asked for."""
    return [each for each in types if matches(each, kept)]


def _matches(event_type: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return event_type == pattern
