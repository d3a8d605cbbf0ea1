"""What a row of the file means in the ledger, and what is wrong with one that means nothing."""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final, NamedTuple

from django.utils.dateparse import parse_datetime

from payment_service.payments.importing.reading import Record
from payment_service.payments.states import Status
from servicekit import money

COLUMNS: Final = ("payment_id", "order_id", "amount", "method", "status", "reference", "created_at", "refunded")
# What the column of the ledger holds.
MAX_REFERENCE_LENGTH: Final = 100
# Characters of a wrong cell that are shown.
SHOWN: Final = 100

# The table that the file comes from has INT here. Larger ones would leave the ledger few numbers to go on with.
_MAX_PAYMENT_ID: Final = 2**31 - 1
_MAX_ORDER_NUMBER: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_AMOUNT: Final = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,2})?", re.ASCII)
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?",
    re.ASCII,
)
# A TIMESTAMP column, as the file's table has it, begins there; what is older is a mistake.
_FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

_STATUSES: Final = {
    "SUCCESS": Status.CAPTURED,
    "TRUE": Status.CAPTURED,
    "1": Status.CAPTURED,
    "FAILED": Status.FAILED,
    "FALSE": Status.FAILED,
    "0": Status.FAILED,
}
# The column's default is 0, so an empty cell is no.
_REFUNDED: Final = {"TRUE": True, "1": True, "FALSE": False, "0": False, "": False}


class Row(NamedTuple):
    """One payment of the file. `number` None: the ledger gives it one."""

    line: int
    number: int | None
    order_id: str
    amount: Decimal
    method: str
    status: Status
    reference: str
    created_at: datetime


class Problem(NamedTuple):
    """Something about one cell, or about the whole row where `column` is empty. `value` is cut to what can be shown.

    `is_failure`: the row is not imported because of it.
    """

    line: int
    column: str
    value: str
    message: str
    is_failure: bool = True


def problem(line: int, column: str, value: str, message: str, *, is_failure: bool = True) -> Problem:
    return Problem(line, column, value[:SHOWN], message, is_failure)


class WrongCell(Exception):
    """The message says what the cell must be."""


class WrongHeader(Exception):
    """The message names the columns."""


class Parser:
    """Turns records into rows.

    Args:
        methods: Those that the ledger knows, in capitals.
        currency: ISO 4217; all amounts are in it.

    Raises:
        WrongHeader: a column is missing, or there twice.
    """

    def __init__(self, header: Sequence[str], *, methods: Collection[str], currency: str) -> None:
        _check_header(header)
        self._width = len(header)
        self._cells: Callable[[Sequence[str]], tuple[str, ...]] = itemgetter(*[header.index(name) for name in COLUMNS])
        self._methods = {method: method for method in methods}
        self._is_whole = not money.has_decimals(currency)

    def parse(self, record: Record) -> Row | list[Problem]:
        """The row, or everything that is wrong with it."""
        if record.malformed or len(record.cells) != self._width:
            return [self._whole_row(record)]
        number, order_id, amount, method, status, reference, created_at, refunded = self._cells(record.cells)
        try:
            row = Row(
                record.line,
                _payment_id(number),
                _order_id(order_id),
                self._amount(amount),
                self._method(method),
                _status(status),
                _reference(reference),
                _moment(created_at),
            )
            was_refunded = _was_refunded(refunded)
        except WrongCell:
            return self._wrong_cells(record)
        if row.status is Status.FAILED:
            if was_refunded:
                return [problem(record.line, "refunded", refunded, "A failed payment took nothing to give back.")]
            return row
        if row.amount <= 0:
            return [problem(record.line, "amount", amount, "Must be above zero, unless the payment failed.")]
        return row._replace(status=Status.REFUNDED) if was_refunded else row

    def _whole_row(self, record: Record) -> Problem:
        if record.malformed:
            lines = f" Lines {record.line} to {record.last_line} belong to it." * (record.last_line > record.line)
            return Problem(record.line, "", "", f"The quotation marks make no sense: {record.malformed}.{lines}")
        return Problem(record.line, "", "", f"Has {len(record.cells)} cells, the header has {self._width}.")

    def _wrong_cells(self, record: Record) -> list[Problem]:
        readers: list[Callable[[str], Any]] = [
            _payment_id,
            _order_id,
            self._amount,
            self._method,
            _status,
            _reference,
            _moment,
            _was_refunded,
        ]
        cells = zip(COLUMNS, readers, self._cells(record.cells), strict=True)
        found = [(column, text, _what_is_wrong(read, text)) for column, read, text in cells]
        return [problem(record.line, column, text, message) for column, text, message in found if message]

    def _amount(self, text: str) -> Decimal:
        if not _AMOUNT.fullmatch(text) and not _AMOUNT.fullmatch(text := text.strip()):
            raise WrongCell("Must be an amount like 561.00: a point, at most two decimals and twelve digits.")
        amount = Decimal(text).quantize(money.CENT)
        if self._is_whole and amount % 1:
            raise WrongCell("The currency has no decimals.")
        return amount

    def _method(self, text: str) -> str:
        method = self._methods.get(text) or self._methods.get(text.strip().upper())
        if method is None:
            raise WrongCell(f"Unknown payment method; known are {', '.join(sorted(self._methods))}.")
        return method


def _check_header(header: Sequence[str]) -> None:
    wanted = f"The first line must name the columns {', '.join(COLUMNS)}, in any order."
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise WrongHeader(f"Missing: {', '.join(missing)}. {wanted}")
    twice = sorted({name for name in COLUMNS if header.count(name) > 1})
    if twice:
        raise WrongHeader(f"More than once: {', '.join(twice)}. {wanted}")


def _what_is_wrong(read: Callable[[str], Any], text: str) -> str:
    try:
        read(text)
    except WrongCell as wrong:
        return str(wrong)
    return ""


def _payment_id(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text) or int(text) > _MAX_PAYMENT_ID:
        raise WrongCell(f"Must be a whole number from 1 to {_MAX_PAYMENT_ID}, or empty.")
    return int(text)


def _order_id(text: str) -> str:
    text = text.strip()
    if _NUMBER.fullmatch(text) and int(text) <= _MAX_ORDER_NUMBER:
        return text
    if not _UUID.fullmatch(text):
        raise WrongCell("Must be a UUID or a positive whole number.")
    return text.lower()


def _status(text: str) -> Status:
    status = _STATUSES.get(text) or _STATUSES.get(text.strip().upper())
    if status is None:
        raise WrongCell("Unknown status; must be SUCCESS or FAILED (or true or false, 1 or 0).")
    return status


def _reference(text: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_REFERENCE_LENGTH or not text.isprintable():
        raise WrongCell(f"Must be 1 to {MAX_REFERENCE_LENGTH} printable characters.")
    return text


def _moment(text: str) -> datetime:
    text = text.strip()
    try:
        moment = parse_datetime(text) if _MOMENT.fullmatch(text) else None
        if moment is not None:
            moment = moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        raise WrongCell("There is no such date or time.") from None
    if moment is None:
        raise WrongCell("Must be a date and time like 2025-11-10 12:05:00 or 2025-11-10T12:05:00Z.")
    if moment < _FIRST_MOMENT:
        raise WrongCell("Must be a date and time from 1970 on.")
    return moment


def _was_refunded(text: str) -> bool:
    refunded = _REFUNDED.get(text)
    if refunded is None:
        refunded = _REFUNDED.get(text.strip().upper())
    if refunded is None:
        raise WrongCell("Must be true or false (or 1 or 0).")
    return refunded
