"""A CSV file as numbered records of cells. Knows nothing of payments, and never holds more than one record."""

import csv
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple

DELIMITERS: Final = (",", ";")
# Characters. No line of payments comes near it; a file without line ends must not fill the memory.
MAX_LINE_LENGTH: Final = 1_000_000


class UnusableFile(Exception):
    """Nothing, or nothing more, can be read from this file; the message says why."""


class Record(NamedTuple):
    """The cells of one row. `line` is the line of the file on which it starts, `last_line` that on which it ends.

    Where the quotation marks make no sense there are no cells, and `malformed` says what is wrong.
    """

    line: int
    last_line: int
    cells: Sequence[str]
    malformed: str = ""


@dataclass(frozen=True)
class Table:
    """A CSV file that is open for reading. `header` is trimmed and in small letters; `size_bytes` None for a pipe."""

    header: list[str]
    delimiter: str
    size_bytes: int | None
    bytes: IO[bytes]
    lines: Iterator[str]
    # The lines that the header took, and those above it.
    lines_before: int

    def records(self) -> Iterator[Record]:
        """Every row, in the file's order; lines with nothing in them are left out. To be read once.

        Raises:
            UnusableFile: a line is too long, or the file cannot be read to its end.
        """
        reader = csv.reader(self.lines, delimiter=self.delimiter, strict=True)
        last_line = self.lines_before
        while True:
            line = last_line + 1
            malformed = ""
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:  # the next call goes on behind it
                cells, malformed = [], str(problem)
            last_line = self.lines_before + reader.line_num
            if cells or malformed:
                yield Record(line, last_line, cells, malformed)

    def position_bytes(self) -> int:
        """How far reading has got, or a little ahead of that; 0 in a pipe."""
        return self.bytes.tell() if self.size_bytes is not None else 0


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a CSV file in UTF-8, with or without BOM, and read its header, the first line with anything in it.

    Bytes that are no UTF-8, and NUL, become lone surrogates, so that only a cell that has them is wrong.

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
        lines = _lines(text, path)
        for number, line in enumerate(lines, 1):
            if line.strip():
                header, delimiter = _header(line, path)
                yield Table(header, delimiter, size_bytes, file, lines, number)
                return
        raise UnusableFile(f"{path} is empty; its first line must name the columns.")


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


def _header(line: str, path: Path) -> tuple[list[str], str]:
    if any("\udc00" <= character <= "\udcff" for character in line):
        raise UnusableFile(f"{path} is not UTF-8 text; save it again as CSV in UTF-8.")
    found = [(_cells(line, delimiter), delimiter) for delimiter in DELIMITERS]
    cells, delimiter = max(found, key=lambda each: len(each[0]))
    return [cell.strip().lower() for cell in cells], delimiter


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter))
