"""Card numbers, which must not be kept: found in what a client sent, so that it is refused before anything is stored.

A card number here is 13 to 19 digits of any script that pass Luhn, alone or within a longer text, solid or in groups
with blanks, dashes, dots, slashes or other signs between them. One number in ten passes by chance: ids and references
are not for this. Nor are dates and times, and numbers in a list, with a blank behind each comma.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from servicekit import errors

SENTENCE: Final = "Must not have a card number in it."
SHORTEST: Final = 13
LONGEST: Final = 19

# Whatever is neither letter nor digit, also what is not seen (soft hyphen, zero width), but for what encloses a value
# or begins the next one.
_BETWEEN: Final = r"""(?:[^\w,;&=?@#<>{}()\[\]"'`]|_|[,;](?!\s)){0,5}"""
_CHAIN: Final = re.compile(rf"\d(?:{_BETWEEN}\d){{{SHORTEST - 1},}}")
_GROUP: Final = re.compile(r"\d+")
# Signs that mean a digit and are none by themselves: circled, in brackets, raised, lowered. Written out, because a
# search of all signs takes 20 ms of a process' start; `test_cards.py` makes it.
_DRESSED: Final = re.compile(
    "[\u00b2\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea"
    "\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792"
    "\U00010a40-\U00010a43\U00010e60-\U00010e68\U00011052-\U0001105a\U0001f100-\U0001f10a]"
)
# UUIDs and digests, in which so many digits may stand in a row by chance; dates and times.
_MADE_BY_MACHINES: Final = re.compile(
    r"""
    [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12} | [0-9a-f]{32,}
    | (?<![\d./-]) (?:19|20)\d\d ([./-]) (?:0[1-9]|1[0-2]) \1 (?:0[1-9]|[12]\d|3[01]) (?![./-]?\d)
    | (?<![\d./-]) (?:0?[1-9]|[12]\d|3[01]) ([./-]) (?:0?[1-9]|[12]\d|3[01]) \2 (?:19|20)\d\d (?![./-]?\d)
    | (?<![\d:]) (?:[01]\d|2[0-3]) : [0-5]\d (?: : [0-5]\d (?:[.,]\d{1,9})? )? (?![:\d])
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)

# Words, and one id at most, in which no card number can stand: nearly every path, and twenty times cheaper to see.
_IS_PLAIN_PATH: Final = re.compile(
    r"(?:/(?:v1|[a-z_-]*)){0,5}(?:/(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{1,12}))?(?:/[a-z_-]*){0,3}",
    re.ASCII | re.IGNORECASE,
).fullmatch


class CardNumber(errors.Invalid):
    """A text has a card number in it; a 400 that names the field."""

    code = "invalid"

    def __init__(self, *, field: str) -> None:
        super().__init__(f"{field}: {SENTENCE}", fields={field: [SENTENCE]})


def refuse(text: str, *, field: str) -> None:
    """Let a text pass that has no card number in it. Raises CardNumber."""
    if looks_like_a_card_number(text):
        raise CardNumber(field=field)


def looks_like_a_card_number(text: str) -> bool:
    """Whether a card number stands in the text. Takes time in proportion to its length: bound that first."""
    return len(text) >= SHORTEST and any(_found_in(_plain_digits(text)))


def masked(text: str) -> str:
    """The text with a star for each character of the card numbers in it."""
    text = _plain_digits(text)
    for first, last in list(_found_in(text)):
        text = text[:first] + "*" * (last - first) + text[last:]
    return text


def masked_path(path: str) -> str:
    """`masked` for the path of a request, which mostly has nothing but words and an id. It may be encoded twice."""
    if _IS_PLAIN_PATH(path):
        return path
    written = unquote(path)
    return masked(written) if looks_like_a_card_number(written) else path


def _plain_digits(text: str) -> str:
    """The text with circled, raised and other dressed digits as plain ones, where there are any."""
    return text if text.isascii() else _DRESSED.sub(lambda found: str(unicodedata.digit(found[0], found[0])), text)


def _found_in(text: str) -> Iterator[tuple[int, int]]:
    """Where card numbers stand: whole groups of digits, so that a longer number has none within it."""
    if not _CHAIN.search(text):
        return
    text = _MADE_BY_MACHINES.sub(lambda found: "x" * len(found[0]), text)
    for chain in _CHAIN.finditer(text):
        groups = list(_GROUP.finditer(text, chain.start(), chain.end()))
        for first in range(len(groups)):
            digits = ""
            for group in groups[first:]:
                digits += group[0]
                if len(digits) > LONGEST:
                    break
                if len(digits) >= SHORTEST and _passes_luhn(digits):
                    yield groups[first].start(), group.end()


def _passes_luhn(digits: str) -> bool:
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(sum(divmod(2 * value, 10)) for value in values[1::2])) % 10 == 0
