"""What a row of a gateway's settlement file says, and what is wrong with one that says nothing."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from payment_service.payments.importing import amounts
from payment_service.payments.importing.csv_reader import SAVE_AS_UTF_8, Record, is_utf_8
from payment_service.payments.importing.parse_row import wrong_width
from payment_service.payments.states import Status
from servicekit import money

REQUIRED: Final = ("transaction_id", "amount", "currency", "status")
OPTIONAL: Final = ("refunded", "order_id")
# What the ledger's columns hold.
MAX_ID_LENGTH: Final = 64

# Money was taken; whether it went back later only the refunded amount says.
_TAKEN_WORDS: Final = ("SUCCEEDED", "SUCCESS", "SETTLED", "COMPLETED", "PAID")
# The ledger's words, and those that gateways have for the same.
STATUSES: Final[Mapping[str, Status]] = {
    **{status.value: status for status in (Status.AUTHORIZED, Status.CAPTURED, Status.VOIDED, Status.FAILED)},
    **{status.value: status for status in (Status.PARTIALLY_REFUNDED, Status.REFUNDED)},
    **dict.fromkeys(_TAKEN_WORDS, Status.CAPTURED),
    "REQUIRES_CAPTURE": Status.AUTHORIZED,
    "CANCELED": Status.VOIDED,
    "CANCELLED": Status.VOIDED,
    "RELEASED": Status.VOIDED,
    "DECLINED": Status.FAILED,
}


class Settlement(NamedTuple):
    """One transaction as the gateway has it. `refunded` and `order_id` None: the file does not say."""

    line: int
    transaction_id: str
    amount: Decimal
    currency: str
    status: Status
    refunded: Decimal | None
    order_id: str | None


class Unreadable(NamedTuple):
    """A row that cannot be compared, and why. `transaction_id` is empty where not even that can be read."""

    line: int
    transaction_id: str
    message: str


class WrongHeader(Exception):
    """The message names the columns."""


class _Wrong(Exception):
    """The message says which cell, and what it must be."""


class Parser:
    """Turns records into settlements.

    Args:
        delimiter: What stands between the file's cells. Where that is a semicolon, an amount may have a comma.

    Raises:
        WrongHeader: a column is missing, or there twice.
    """

    def __init__(self, header: Sequence[str], *, delimiter: str = ",") -> None:
        known = (*REQUIRED, *OPTIONAL)
        missing = [name for name in REQUIRED if name not in header]
        twice = [name for name in known if header.count(name) > 1]
        if missing or twice:
            problem = f"Missing: {', '.join(missing)}" if missing else f"More than once: {', '.join(twice)}"
            raise WrongHeader(
                f"{problem}. The first line must name the columns {', '.join(REQUIRED)} and may name "
                f"{', '.join(OPTIONAL)}, in any order."
            )
        self._width = len(header)
        self._least_width = 1 + max(header.index(name) for name in REQUIRED)
        self._delimiter = delimiter
        self._places = {name: header.index(name) for name in known if name in header}

    def parse(self, record: Record) -> Settlement | Unreadable:
        if record.malformed:
            return Unreadable(record.line, "", record.malformed)
        if not self._least_width <= len(record.cells) <= self._width:
            return Unreadable(record.line, "", wrong_width(record.cells, self._width, self._delimiter))
        row = dict(enumerate(record.cells))
        cells = {name: row.get(place, "").strip() for name, place in self._places.items()}
        try:
            amount = self._amount(cells["amount"], "amount")
            refunded = self._amount(cells["refunded"], "refunded") if cells.get("refunded") else None
            return Settlement(
                record.line,
                _id(cells["transaction_id"], "transaction_id"),
                amount,
                _currency(cells["currency"]),
                _status(cells["status"], amount, refunded),
                refunded,
                _id(cells["order_id"], "order_id").lower() if cells.get("order_id") else None,
            )
        except _Wrong as wrong:
            found = cells["transaction_id"]
            message = next((f"{name} is {SAVE_AS_UTF_8}." for name, text in cells.items() if not is_utf_8(text)), "")
            return Unreadable(record.line, found if _is_id(found) else "", message or str(wrong))

    def _amount(self, text: str, column: str) -> Decimal:
        has_comma = self._delimiter == ";"
        amount = amounts.read(text, has_comma=has_comma)
        if amount is None or amount < 0:
            sign = "a point or a comma" if has_comma else "a point"
            raise _Wrong(
                f"{column} must be an amount like 561.00, {sign} and at most two decimals, not {_shown(text)}."
            )
        return amount


def _is_id(text: str) -> bool:
    return 0 < len(text) <= MAX_ID_LENGTH and text.isprintable()


def _id(text: str, column: str) -> str:
    if not _is_id(text):
        raise _Wrong(f"{column} must be 1 to {MAX_ID_LENGTH} printable characters, not {_shown(text)}.")
    return text


def _currency(text: str) -> str:
    if not money.is_currency(text.upper()):
        raise _Wrong(f"currency must be an ISO 4217 code like USD, not {_shown(text)}.")
    return text.upper()


def _status(text: str, amount: Decimal, refunded: Decimal | None) -> Status:
    word = text.upper().replace(" ", "_")
    status = STATUSES.get(word)
    if word in _TAKEN_WORDS and refunded:
        return Status.REFUNDED if refunded == amount else Status.PARTIALLY_REFUNDED
    if status is None:
        raise _Wrong(f"status must be one of {', '.join(STATUSES)}, not {_shown(text)}.")
    return status


def _shown(text: str) -> str:
    """`repr`, so that no cell can send control characters to a terminal."""
    return repr(text[:MAX_ID_LENGTH])
