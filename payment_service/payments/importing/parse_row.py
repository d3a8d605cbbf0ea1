"""What a row of the file means in the ledger, and what is wrong with one that means nothing."""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final, NamedTuple

from django.utils.dateparse import parse_datetime

from payment_service.payments.importing import amounts, csv_reader
from payment_service.payments.importing.csv_reader import DELIMITERS, Record
from payment_service.payments.states import Status
from servicekit import cards, money
from servicekit.texts import is_uuid

COLUMNS: Final = ("payment_id", "order_id", "amount", "method", "status", "reference", "created_at", "refunded")
# A file may have it; all amounts are in the ledger's currency either way.
CURRENCY: Final = "currency"
# Without a value in these a row still says all there is to say.
_MAY_BE_EMPTY: Final = ("payment_id", "refunded")
# What the column of the ledger holds.
MAX_REFERENCE_LENGTH: Final = 100
# Characters of a wrong cell that are shown; more are searched for a card number, so that none is cut in two.
SHOWN: Final = 100
_SEARCHED: Final = 2 * SHOWN
_IDS: Final = frozenset({"payment_id", "order_id", "reference"})

# The table that the file comes from has INT here. Larger ones would leave the ledger few numbers to go on with.
_MAX_PAYMENT_ID: Final = 2**31 - 1
_MAX_ORDER_NUMBER: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_TIME: Final = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
_MOMENT: Final = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_TIME}", re.ASCII)
_YEAR_FIRST: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
# The same signs in between, or it is no date.
_SHORT_DATE: Final = re.compile(rf"([0-9]{{1,2}})([./-])([0-9]{{1,2}})\2([0-9]{{4}})(?:[T ]+({_TIME}))?", re.ASCII)
# A TIMESTAMP column, as the file's table has it, begins there; what is older is a mistake.
_FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

# How spreadsheets and databases write a column that is yes or no.
_YES: Final = ("TRUE", "T", "YES", "Y", "1")
_NO: Final = ("FALSE", "F", "NO", "N", "0")
_STATUSES: Final = {
    **dict.fromkeys(("SUCCESS", *_YES), Status.CAPTURED),
    **dict.fromkeys(("FAILED", *_NO), Status.FAILED),
}
# How databases write down that there is no value.
_NULLS: Final = ("", "NULL", "\\N")
# The column's default is 0, so no value is no.
_REFUNDED: Final = {**dict.fromkeys(_YES, True), **dict.fromkeys((*_NO, *_NULLS), False)}

# What --dates takes → what it reads besides dates that begin with the year.
DATES: Final = {"iso": "no others", "dmy": "10/11/2025 as the 10th of November", "mdy": "it as the 11th of October"}


class Row(NamedTuple):
    """One attempt to pay an order, as the file has it. `number` None: the ledger gives it one."""

    line: int
    number: int | None
    order_id: str
    amount: Decimal
    method: str
    status: Status
    reference: str
    created_at: datetime

    @property
    def took_money(self) -> bool:
        return self.status is not Status.FAILED


class Problem(NamedTuple):
    """Why a row is not imported: for one cell, or for all of it where `column` is empty.

    `value` is cut to what can be shown.
    """

    line: int
    column: str
    value: str
    message: str


def problem(line: int, column: str, value: str, message: str) -> Problem:
    shown = csv_reader.shown(value)
    # Ids are for finding the row again, and may look like a card number by chance.
    return Problem(line, column, (shown if column in _IDS else cards.masked(shown[:_SEARCHED]))[:SHOWN], message)


class WrongCell(Exception):
    """The message says what the cell must be."""


class WrongHeader(Exception):
    """The message names the columns."""


class Parser:
    """Turns records into rows.

    Args:
        delimiter: What stands between the file's cells. Where that is a semicolon, an amount may have a comma.
        methods: Those that the ledger knows, in capitals.
        currency: ISO 4217; all amounts are in it.
        dates: One of `DATES`.

    Raises:
        WrongHeader: a column is missing, or there twice.
    """

    def __init__(
        self,
        header: Sequence[str],
        *,
        delimiter: str = ",",
        methods: Collection[str],
        currency: str,
        dates: str = "iso",
    ) -> None:
        _check_header(header)
        self._width = len(header)
        self._least_width = 1 + max(header.index(name) for name in COLUMNS if name not in _MAY_BE_EMPTY)
        self._delimiter = delimiter
        self._has_comma = delimiter == ";"
        self._dates = dates
        self._cells: Callable[[Sequence[str]], tuple[str, ...]] = itemgetter(*[header.index(name) for name in COLUMNS])
        self._methods = {method: method for method in methods}
        self._currency = currency
        self._currency_at = header.index(CURRENCY) if CURRENCY in header else None
        self._is_whole = not money.has_decimals(currency)

    def parse(self, record: Record) -> Row | list[Problem]:
        """The row, or everything that is wrong with it."""
        cells = record.cells
        if len(cells) != self._width:
            if not self._least_width <= len(cells) < self._width:
                return [self._whole_row(record)]
            cells = [*cells, *[""] * (self._width - len(cells))]
        number, order_id, amount, method, status, reference, created_at, refunded = self._cells(cells)
        try:
            row = Row(
                record.line,
                _payment_id(number),
                _order_id(order_id),
                self._amount(amount),
                self._method(method),
                _status(status),
                _reference(reference),
                self._moment(created_at),
            )
            was_refunded = _was_refunded(refunded)
            if self._currency_at is not None:
                self._check_currency(cells[self._currency_at])
        except WrongCell:
            return self._wrong_cells(record.line, cells)
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
            return Problem(record.line, "", "", f"{record.malformed}{lines}")
        return Problem(record.line, "", "", wrong_width(record.cells, self._width, self._delimiter))

    def _wrong_cells(self, line: int, row: Sequence[str]) -> list[Problem]:
        readers: list[Callable[[str], Any]] = [
            _payment_id,
            _order_id,
            self._amount,
            self._method,
            _status,
            _reference,
            self._moment,
            _was_refunded,
        ]
        cells = list(zip(COLUMNS, readers, self._cells(row), strict=True))
        if self._currency_at is not None:
            cells.append((CURRENCY, self._check_currency, row[self._currency_at]))
        found = [(column, text, _what_is_wrong(read, text)) for column, read, text in cells]
        return [problem(line, column, text, message) for column, text, message in found if message]

    def _amount(self, text: str) -> Decimal:
        amount = amounts.read(text, has_comma=self._has_comma)
        if amount is None:
            raise WrongCell(amounts.wanted(has_comma=self._has_comma))
        if self._is_whole and amount % 1:
            raise WrongCell("The currency has no decimals.")
        return amount

    def _check_currency(self, text: str) -> None:
        if text != self._currency and text.strip().upper() not in (*_NULLS, self._currency):
            raise WrongCell(f"All amounts are in {self._currency}, the ledger's currency; must be that, or empty.")

    def _method(self, text: str) -> str:
        method = self._methods.get(text) or self._methods.get(text.strip().upper())
        if method is None:
            raise WrongCell(f"Unknown payment method; known are {', '.join(sorted(self._methods))}.")
        return method

    def _moment(self, text: str) -> datetime:
        text = text.strip()
        try:
            moment = parse_datetime(self._year_first(text))
            if moment is not None:
                moment = moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        except (ValueError, OverflowError):
            raise WrongCell("There is no such date or time.") from None
        if moment is None:
            raise WrongCell("There is no such date or time.")
        if moment < _FIRST_MOMENT:
            raise WrongCell("Must be a date and time from 1970 on.")
        return moment

    def _year_first(self, text: str) -> str:
        """The same moment with its date as 2025-11-10, and a time."""
        if _MOMENT.fullmatch(text):
            return text
        if _YEAR_FIRST.fullmatch(text) and self._dates != "iso":
            return f"{text} 00:00"
        found = _SHORT_DATE.fullmatch(text)
        if found and self._dates != "iso":
            day, month = (found[1], found[3]) if self._dates == "dmy" else (found[3], found[1])
            return f"{found[4]}-{month:0>2}-{day:0>2} {found[5] or '00:00'}"
        choices = " Which number is the day? Say --dates dmy or --dates mdy." if found else ""
        raise WrongCell(f"Must be a date and time like 2025-11-10 12:05:00 or 2025-11-10T12:05:00Z.{choices}")


def wrong_width(cells: Sequence[str], width: int, delimiter: str) -> str:
    """What is wrong with a row that has not as many cells as the header, as a sentence."""
    others = [other for other in DELIMITERS if other != delimiter and cells and cells[0].count(other) >= width - 1]
    hint = f" They are separated by {delimiter!r} in the header, and by {others[0]!r} here." if others else ""
    return f"Has {len(cells)} cells, the header has {width}.{hint}"


def _check_header(header: Sequence[str]) -> None:
    wanted = f"The first line must name the columns {', '.join(COLUMNS)}, in any order."
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise WrongHeader(f"Missing: {', '.join(missing)}. {wanted}")
    twice = sorted({name for name in (*COLUMNS, CURRENCY) if header.count(name) > 1})
    if twice:
        raise WrongHeader(f"More than once: {', '.join(twice)}. {wanted}")


def _what_is_wrong(read: Callable[[str], Any], text: str) -> str:
    if not csv_reader.is_utf_8(text):
        return f"Is {csv_reader.SAVE_AS_UTF_8}."
    try:
        read(text)
    except WrongCell as wrong:
        return str(wrong)
    return ""


def _payment_id(text: str) -> int | None:
    text = text.strip()
    if text.upper() in _NULLS:
        return None
    if not _NUMBER.fullmatch(text) or int(text) > _MAX_PAYMENT_ID:
        raise WrongCell(f"Must be a whole number from 1 to {_MAX_PAYMENT_ID}, or empty.")
    return int(text)


def _order_id(text: str) -> str:
    text = text.strip()
    if _NUMBER.fullmatch(text) and int(text) <= _MAX_ORDER_NUMBER:
        return text
    if not is_uuid(text):
        raise WrongCell("Must be a UUID or a positive whole number.")
    return text.lower()


def _status(text: str) -> Status:
    status = _STATUSES.get(text) or _STATUSES.get(text.strip().upper())
    if status is None:
        raise WrongCell("Unknown status; must be SUCCESS or FAILED (or true or false, yes or no, 1 or 0).")
    return status


def _reference(text: str) -> str:
    text = text.strip()
    if text.upper() in _NULLS or len(text) > MAX_REFERENCE_LENGTH or not text.isprintable():
        raise WrongCell(f"Must be 1 to {MAX_REFERENCE_LENGTH} printable characters.")
    return text


def _was_refunded(text: str) -> bool:
    refunded = _REFUNDED.get(text)
    if refunded is None:
        refunded = _REFUNDED.get(text.strip().upper())
    if refunded is None:
        raise WrongCell("Must be true or false (or yes or no, 1 or 0).")
    return refunded
