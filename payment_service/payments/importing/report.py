"""What was wrong with which row, as a CSV file for a spreadsheet, without letting a cell of the input act in there."""

import csv
from typing import IO, Final

from payment_service.payments.importing.parse_row import Problem

HEADER: Final = ("line", "outcome", "column", "value", "message")
# A spreadsheet takes a cell that begins like this for a formula, and some drop what is in front of it (OWASP, "CSV
# Injection"). An apostrophe in front makes it text.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Report:
    """Writes problems into an open text file (`newline=""`), as they come.

    Args:
        delimiter: That of the input, so that what opens one opens the other.
    """

    def __init__(self, file: IO[str], *, delimiter: str) -> None:
        self._writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
        self._writer.writerow(HEADER)

    def write(self, problem: Problem) -> None:
        cells = (str(problem.line), "failed", problem.column, problem.value, problem.message)
        self._writer.writerow([harmless(cell) for cell in cells])


def harmless(cell: str) -> str:
    """The cell as text in any spreadsheet. Not for numbers that are to stay numbers."""
    return f"'{cell}" if cell.lstrip(" \u00a0").startswith(_FORMULA_STARTS) else cell
