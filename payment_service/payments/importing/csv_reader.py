"""A CSV file as numbered records of cells. Knows nothing of payments, and never holds more than a few lines."""

import csv
import io
import os
import re
import stat
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, NamedTuple

DELIMITERS: Final = (",", ";")
# Characters. No line of payments comes near it; a file without line ends must not fill the memory.
MAX_LINE_LENGTH: Final = 1_000_000
# Lines of one row, whose cells may have line breaks inside quotation marks. Behind that many the mark was not meant.
MAX_ROW_LINES: Final = 100

# What other programs put between cells, and what a person calls it.
_OTHER_DELIMITERS: Final = {"\t": "tabs", "|": "vertical bars", ":": "colons"}
# How Excel is told, on the first line, what stands between the cells.
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# Lines above the columns' names in which a title is looked for, only to say so.
_TITLE_LINES: Final = 20


# What bytes that are no UTF-8, and NUL, are read as (`open_table`); of both, what bytes are.
_UNREADABLE: Final = re.compile("[\udc00-\udcff]")
_NO_UTF_8: Final = re.compile("[\udc80-\udcff]")
SAVE_AS_UTF_8: Final = "not UTF-8 text; save the file again as CSV in UTF-8"


class UnusableFile(Exception):
    """Nothing, or nothing more, can be read from this file; the message says why."""


class Record(NamedTuple):
    """The cells of one row. `line` is the line of the file on which it starts, `last_line` that on which it ends.

    Where the quotation marks make no sense there are no cells, and `malformed` is a sentence that says what is wrong.
    Cells behind those of the header are there only if something is in one of them.
    """

    line: int
    last_line: int
    cells: Sequence[str]
    malformed: str = ""


class _RowTooLong(Exception):
    """A quotation mark was opened and not closed on any of the lines that a row may have."""


@dataclass
class _Lines:
    """The file's lines, one after another, those included that were given back. `number` is that of the last one.

    `taken` are the lines since it was last emptied.
    """

    fresh: Iterator[str]
    number: int = 0
    taken: list[str] = field(default_factory=list)
    _given_back: deque[str] = field(default_factory=deque)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MAX_ROW_LINES or (self.taken and sum(map(len, self.taken)) > MAX_LINE_LENGTH):
            raise _RowTooLong
        line = self._given_back.popleft() if self._given_back else next(self.fresh)
        self.number += 1
        self.taken.append(line)
        return line

    def unread(self, *, after: int) -> None:
        """Have all of the lines that were taken, but the first `after`, read anew."""
        again = self.taken[after:]
        self._given_back.extendleft(reversed(again))
        self.number -= len(again)
        del self.taken[after:]


@dataclass(frozen=True)
class Table:
    """A CSV file that is open for reading. `header` is trimmed and in small letters; `size_bytes` None for a pipe."""

    header: list[str]
    delimiter: str
    size_bytes: int | None
    bytes: IO[bytes]
    lines: _Lines
    # Where the named columns are.
    places: Collection[int]

    def records(self) -> Iterator[Record]:
        """Every row, in the file's order; rows with nothing in them are left out. To be read once.

        A quotation mark that is not closed, or not where it should be, spoils its own row: the lines behind it that
        look like rows are read as rows.

        Raises:
            UnusableFile: a line is too long, or the file cannot be read to its end.
        """
        lines, width = self.lines, len(self.header)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            lines.taken.clear()
            first = lines.number + 1
            problem = ""
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as refusal:  # the next call begins a new row
                cells, problem = [], str(refusal)
            except _RowTooLong:
                cells, problem = [], f"none on the {MAX_ROW_LINES} lines from there on closes it"
            if len(cells) > width and not any(map(str.strip, cells[width:])):
                cells = cells[:width]
            if problem or len(lines.taken) > 1:
                problem = self._malformed(cells, problem, first)
            if problem:
                yield Record(first, lines.number, [], problem)
            elif any(map(str.strip, cells)):
                yield Record(first, lines.number, cells)

    def _malformed(self, cells: Sequence[str], problem: str, first: int) -> str:
        """What is wrong with the quotation marks of a row of several lines, or of one with a problem.

        A line inside a cell that looks like a row most likely is one, which a quotation mark too many has swallowed.
        It is given back to be read, unless the row makes sense the way it is: then it may be what somebody wrote into
        a cell, and is for a person to decide.
        """
        taken = self.lines.taken
        like_rows = [n for n, line in enumerate(taken) if n and line.count(self.delimiter) >= len(self.header) - 1]
        if not problem and not like_rows:
            return ""
        opened = first + _opened_on(taken, self.delimiter)
        last = first + len(taken) - 1
        is_whole = not problem and len(cells) == len(self.header)
        makes_sense = is_whole and not any("\n" in cells[n] or "\r" in cells[n] for n in self.places)
        if like_rows and not makes_sense:
            self.lines.unread(after=like_rows[0])
            problem = problem or "what it takes for a cell are whole rows"
        elif like_rows:
            problem = f"if the one on line {last} closes it, the lines between are no rows"
        return f"The quotation marks make no sense: one is opened on line {opened}; {problem}."

    def position_bytes(self) -> int:
        """How far reading has got, or a little ahead of that; 0 in a pipe."""
        return self.bytes.tell() if self.size_bytes is not None else 0


def is_utf_8(cell: str) -> bool:
    """Whether the cell's bytes were UTF-8."""
    return cell.isascii() or not _NO_UTF_8.search(cell)


def shown(cell: str) -> str:
    """The cell with U+FFFD for what could not be read."""
    return _UNREADABLE.sub("\ufffd", cell)


@contextmanager
def open_table(path: Path, *, columns: Collection[str] = ()) -> Iterator[Table]:
    """Open a CSV file in UTF-8, with or without BOM, and read its header, the first line with anything in it.

    Excel's `sep=;` above the header is no row. Bytes that are no UTF-8, and NUL, become lone surrogates, so that only
    a cell that has them is wrong.

    Args:
        columns: The names that a header can have, in small letters. One line in a cell of theirs is all there can be.

    Raises:
        UnusableFile: there is no such file, it cannot be read, or it has no header.
    """
    try:
        file = path.open("rb")
    except OSError as problem:
        raise UnusableFile(f"{path} cannot be read: {problem.strerror}.") from problem
    with file, io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        about = os.fstat(file.fileno())
        size_bytes = about.st_size if stat.S_ISREG(about.st_mode) else None
        lines = _Lines(_lines(text, path))
        header, delimiter = _header(lines, path, columns)
        places = [n for n, name in enumerate(header) if name in columns]
        yield Table(header, delimiter, size_bytes, file, lines, places)


def _lines(text: IO[str], path: Path) -> Iterator[str]:
    """Lines with their ends. The csv module wants to see these: inside quotation marks they are part of the cell."""
    number = 0
    try:
        while line := text.readline(MAX_LINE_LENGTH):
            number += 1
            if len(line) == MAX_LINE_LENGTH:
                raise UnusableFile(f"{path}, line {number}: longer than {MAX_LINE_LENGTH:,} characters.")
            # The csv module of Python 3.10 refuses NUL.
            yield line.replace("\0", "\udc00")
    except OSError as problem:
        raise UnusableFile(f"{path} cannot be read behind line {number}: {problem.strerror}.") from problem


def _header(lines: _Lines, path: Path, columns: Collection[str]) -> tuple[list[str], str]:
    """The cells of the header, and what stands between them. Reads the lines up to there.

    Raises:
        UnusableFile: it is not there, or not where it should be.
    """
    line, number = _next_line(lines), lines.number
    told = _SEPARATOR_LINE.fullmatch(line.strip("\r\n"))
    if told and told[1] not in DELIMITERS:
        raise UnusableFile(f"{path}, line {number}: says {told[0]!r}; only commas and semicolons can separate cells.")
    if told:
        line, number = _next_line(lines), lines.number
    if not line:
        raise UnusableFile(f"{path} is empty; its first line must name the columns.")
    if _UNREADABLE.search(line):
        raise UnusableFile(f"{path}, line {number}: {SAVE_AS_UTF_8}.")
    cells, delimiter = _split(line, DELIMITERS, columns)
    if columns and _named(cells, columns) < 2:
        _explain(line, number, lines, path, columns)
    return cells, delimiter


def _explain(line: str, number: int, lines: _Lines, path: Path, columns: Collection[str]) -> None:
    """Say why a line names no columns, where that can be told."""
    cells, delimiter = _split(line, tuple(_OTHER_DELIMITERS), columns)
    if _named(cells, columns) > 1:
        name = _OTHER_DELIMITERS[delimiter]
        raise UnusableFile(f"{path}: its cells are separated by {name}; save it again with commas or semicolons.")
    for _ in range(_TITLE_LINES):
        below = _next_line(lines)
        if _named(_split(below, DELIMITERS, columns)[0], columns) > 1:
            raise UnusableFile(
                f"{path}: line {number} must name the columns, but is a title; their names are on line {lines.number}. "
                "Delete what is above that."
            )


def _next_line(lines: _Lines) -> str:
    """The next line with anything in it but separators, "" at the end."""
    for line in lines:
        lines.taken.clear()
        if line.strip().strip("".join(DELIMITERS)):
            return line
    return ""


def _split(line: str, delimiters: Sequence[str], columns: Collection[str]) -> tuple[list[str], str]:
    """The cells of a header, trimmed and in small letters, by the delimiter that makes most sense of it."""
    found = [([cell.strip().lower() for cell in _cells(line, delimiter)], delimiter) for delimiter in delimiters]
    return max(found, key=lambda each: (_named(each[0], columns), len(each[0])))


def _named(cells: Sequence[str], columns: Collection[str]) -> int:
    return sum(cell in columns for cell in cells)


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _opened_on(lines: Sequence[str], delimiter: str) -> int:
    """The index of the line on which the last quoted cell begins."""
    found, is_quoted, is_start, was_closed = 0, False, True, False
    for n, line in enumerate(lines):
        for character in line:
            if character == '"' and is_quoted:
                is_quoted, was_closed = False, True
                continue
            if character == '"' and (is_start or was_closed):
                is_quoted = True
                # Doubled, it is a character of the cell.
                found = found if was_closed else n
            was_closed = False
            is_start = not is_quoted and character in (delimiter, "\n", "\r")
    return found
