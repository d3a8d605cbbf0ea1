"""What another service answers, held against what was asked: as strictly as what a client sends.

Typed readers of an answer's JSON: no number in quotes where none may be, no `true` for 1, no digits of other scripts.
What cannot be used is never taken for something else, and is a line in the log, with the address that was asked.
"""

import re
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import structlog

from servicekit import cards, money
from servicekit.http.client import UNUSABLE_ANSWER, Reply, is_object
from servicekit.texts import is_uuid
from servicekit.web.fields import MAX_ID

log = structlog.get_logger()

# Of each piece of text that is kept; what the columns hold.
MAX_TEXT_LENGTH: Final = 255
_QUOTED_AMOUNT: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
# As long as a column of ours holds.
_WEB_ADDRESS: Final = re.compile(r"https?://[!-~]{1,2040}", re.ASCII)
# Control characters, other ends of a line, and what turns the direction of the text behind it.
_CONTROL: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]")


class Unusable(Exception):
    """An answer that is none to what was asked. `why` names the field, and never shows what is in it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def report(reply: Reply, why: str) -> None:
    """Say in the log that an answer cannot be used: only a person can put right what is wrong there."""
    log.error(UNUSABLE_ANSWER, method=reply.method, url=reply.url, status=reply.status, reason=why)


def require_status(reply: Reply, *expected: int) -> None:
    """Any other is no answer to the question."""
    if reply.status not in expected:
        raise Unusable("no answer to this question")


def is_missing(reply: Reply) -> bool:
    """Whether a 404 says that what was asked for is not there, rather than that nobody lives at this address.

    The latter is what frameworks answer by themselves: ours with the bare code, Starlette with the bare phrase, and
    most others with a page of HTML, which is not read at all.
    """
    if reply.status != 404 or not (reply.body is None or is_object(reply.body)):
        return False
    return reply.body is None or not (reply.body.get("code") == "not_found" or reply.body == {"detail": "Not Found"})


def code_of(reply: Reply, *, otherwise: str) -> str:
    """The code of a refusal, fit to be kept."""
    return code(reply.body.get("code") if is_object(reply.body) else None, otherwise=otherwise)


def code(value: Any, *, otherwise: str) -> str:
    """A word for programs, fit to be kept."""
    is_one = isinstance(value, str) and _CODE.fullmatch(value) and not cards.looks_like_a_card_number(value)
    return value if is_one else otherwise


def member(parent: Any, name: str) -> Any:
    """What an object has under a name."""
    if type(parent) is not dict:
        raise Unusable(f"no object where {name} should be")
    if name not in parent:
        raise Unusable(f"{name} is missing")
    return parent[name]


def members(parent: Any, name: str, *, at_most: int) -> list[Any]:
    """A list that is no longer than what was asked for."""
    found = member(parent, name)
    if type(found) is not list:
        raise Unusable(f"{name} is no list")
    if len(found) > at_most:
        raise Unusable(f"{name} has more than was asked for")
    return found


def whole_number(parent: Any, name: str, *, least: int, most: int = MAX_ID) -> int:
    """A JSON integer within bounds."""
    found = member(parent, name)
    if type(found) is not int or not least <= found <= most:
        raise Unusable(f"{name} is no whole number from {least} to {most}")
    return found


def amount(parent: Any, name: str, *, currency: str | None = None, may_be_negative: bool = False) -> Decimal:
    """An amount of money: a JSON number, or the same digits quoted. Comes with two decimals.

    Args:
        currency: That it must fit; None where the caller sees to that.
    """
    found = member(parent, name)
    if type(found) is str and _QUOTED_AMOUNT.fullmatch(found):
        found = Decimal(found)
    if type(found) is int:
        found = Decimal(found)
    if type(found) is not Decimal:
        raise Unusable(f"{name} is no amount of money")
    if (problem := money.problem(found, currency)) is not None:
        raise Unusable(f"{name}: {problem}")
    if found < 0 and not may_be_negative:
        raise Unusable(f"{name} is negative")
    return money.two_decimals(found) + 0  # of -0.00, 0.00


def text(parent: Any, name: str) -> str:
    """Text fit to be kept and shown: cut where it is too long for the column, without control characters, and with
    stars for a card number.
    """
    found = member(parent, name)
    if type(found) is not str:
        raise Unusable(f"{name} is no text")
    kept = _CONTROL.sub(" ", found[:MAX_TEXT_LENGTH])
    return cards.masked(kept) if len(kept) >= cards.SHORTEST else kept


def word(parent: Any, name: str, known: Collection[str]) -> str:
    """One of the words that are known."""
    found: Any = member(parent, name)
    if type(found) is not str or found not in known:
        raise Unusable(f"{name} is no word that is known here")
    return found


def currency(parent: Any, name: str, *, default: str | None = None) -> str:
    """An ISO 4217 code; `default` where none is named."""
    found = member(parent, name) if default is None or name in parent else default
    if type(found) is not str or not money.is_currency(found):
        raise Unusable(f"{name} is no currency")
    return found


def web_address(parent: Any, name: str) -> str:
    """An address that a browser can be sent to: of http or https, and nothing else in it."""
    found = member(parent, name)
    if type(found) is not str or not _WEB_ADDRESS.fullmatch(found):
        raise Unusable(f"{name} is no address of the web")
    return found


def moment(parent: Any, name: str) -> datetime:
    """A date and time in ISO 8601, with its zone."""
    found = member(parent, name)
    try:
        at = datetime.fromisoformat(found.replace("Z", "+00:00")) if type(found) is str and found.isascii() else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Unusable(f"{name} is no moment")
    return at


def uuid_text(parent: Any, name: str) -> str:
    """A UUID as canonical text."""
    found = member(parent, name)
    if type(found) is not str or not is_uuid(found):
        raise Unusable(f"{name} is no UUID")
    return found.lower()


def expect(parent: Any, name: str, expected: str) -> None:
    """Require the id that was asked for, capitals aside."""
    found = member(parent, name)
    if type(found) is not str or found.lower() != expected:
        raise Unusable(f"{name} is not the one that was asked for")
