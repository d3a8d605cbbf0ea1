"""Texts that come from outside: whether there is anything in them, and whether one is an id."""

import re
import unicodedata
from typing import Final

# Format characters (zero width, soft hyphen, direction), controls and separators.
_UNSEEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
# What else Unicode calls ignorable (`Default_Ignorable_Code_Point`), and the pattern of Braille without a dot.
_UNSEEN: Final = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0),
        *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000)),
    )
)
# Python's own UUIDs may be written in the digits of any script, and with braces.
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def is_uuid(text: str) -> bool:
    """Whether it is a UUID with its dashes, in letters of either size."""
    return _UUID.fullmatch(text) is not None


def is_blank(text: str) -> bool:
    """Whether nothing of a text is to be seen. Looks no further than its first character, mostly."""
    return not any(_is_seen(character) for character in text)


def _is_seen(character: str) -> bool:
    if character.isascii():
        return "!" <= character <= "~"
    return unicodedata.category(character) not in _UNSEEN_CATEGORIES and ord(character) not in _UNSEEN
