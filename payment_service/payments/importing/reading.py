"""A CSV file as numbered lines of cells. Knows nothing of payments, and never holds more than one line of the file."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple

DELIMITERS: Final = (",", ";")
# Characters. No line of payments comes near; a file without line ends must not fill the memory.
MAX_LINE_LENGTH: Final = 1_000_000


class UnusableFile(Exception):
    """Nothing (more) can be read from this file; the message says why and what to do about it."""


class Record(NamedTuple):
    """The cells between two line ends. `line` is the line in the file on which it starts, from 1; so is `last_line`."""

    line: int
    last_line: int
    cells: list[str]
    malformed: str = ""


@dataclass(frozen=True)
class Table:
    """A CSV file that is being read. `header` is trimmed and in small letters."""

    header: list[str]
    delimiter: str
    size_bytes: int | None
    _file: IO[str]
    _before: int

    def __iter__(self) -> Iterator[Record]:
        """Every record once, in the file's order; lines with nothing in them are left out.

        Raises:
            UnusableFile: a line that is too long, or the disk failed.
        """
        reader = csv.reader(_lines(self._file, self._before), delimiter=self.delimiter, strict=True)
        last_line = self._before
        while True:
            line = last_line + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:  # the reader goes on with the next line
                last_line = self._before + reader.line_num
                yield Record(line, last_line, [], malformed=str(problem))
                continue
            last_line = self._before + reader.line_num
            if cells:
                yield Record(line, last_line, cells)

    def position_bytes(self) -> int:
        """How far into the file reading has got, or a little ahead of that."""
        return self._file.buffer.raw.tell() if self.size_bytes else 0  # type: ignore[attr-defined]
