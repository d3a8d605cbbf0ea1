"""Which files can be imported, and that lines are counted as an editor counts them."""

from pathlib import Path

import pytest

from payment_service.payments.importing.reading import MAX_LINE_LENGTH
from payment_service.payments.importing.rows import COLUMNS
from payment_service.payments.models import Payment
from payment_service.settings import HERE
from payment_service.tests.importing import HEADER, ROW, Importer, command, counts, numbered, row, text_of

pytestmark = pytest.mark.django_db
SAMPLE = HERE / "sample_payments.csv"


@pytest.fixture
def run(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_what_spreadsheets_write(run: Importer, delimiter: str, line_end: str, start: bytes) -> None:
    """Commas or semicolons, any line ends, with a byte order mark or without; a bad line has the same number in all."""
    text = text_of([*numbered(3), row(status="?"), *numbered(2, first=4)])
    done = run(start + text.replace(",", delimiter).replace("\n", line_end).encode())
    assert (done.status, counts()) == (1, (5, 5, 0))
    assert done.err.startswith("line 5, status '?'")


def test_columns_in_any_order_with_others_between(run: Importer) -> None:
    """Names count, in capitals or not; other columns are ignored, whatever is in them."""
    names = [f" {name.title()} " for name in reversed(HEADER.split(","))]
    cells = list(reversed(ROW.split(",")))
    names.insert(3, "Größe")
    cells.insert(3, '"=1+1; ""x"", \xe9\0"')
    assert run(",".join(names) + "\n" + ",".join(cells)).status == 0
    assert Payment.objects.get().reference == "ECI20251110-0A1B2C3D"


def test_line_breaks_inside_quotation_marks(run: Importer) -> None:
    """They belong to the cell; a row is reported with the line on which it starts."""
    lines = [f"{HEADER},note", f'{ROW},"one\ntwo\r\nthree"', "", f'{row(amount="x")},"one\ntwo"', f"{row(amount='y')},"]
    done = run("\n".join(lines))
    assert (done.status, counts()) == (1, (1, 1, 0))
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["line 6, amount 'x'", "line 8, amount 'y'"]


def test_quoted_cells(run: Importer) -> None:
    """Quotation marks around cells are not part of them, doubled ones are."""
    quoted = ",".join(f'"{cell}"' for cell in row(reference='A""B').split(","))
    assert run([quoted]).status == 0
    assert Payment.objects.get().reference == 'A"B'


def test_empty_lines_are_no_rows(run: Importer) -> None:
    """Above the header, between rows and at the end; they count as lines."""
    done = run(f"\n \n{HEADER}\n\n{ROW}\n\n{row(amount='x')}\n\n\n")
    assert "2 rows read: 1 imported, 0 already there, 1 failed" in done.out
    assert done.err.startswith("line 7, amount")


def test_a_file_without_a_last_line_end(run: Importer) -> None:
    """The last row counts all the same."""
    assert run(f"{HEADER}\n{ROW}").status == 0
    assert counts() == (1, 1, 0)


def test_a_header_alone(run: Importer) -> None:
    """No rows, no failure."""
    done = run(HEADER)
    assert (done.status, done.err, counts()) == (0, "", (0, 0, 0))
    assert done.out.startswith("0 rows read: 0 imported")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(run: Importer, column: str) -> None:
    """Nothing is imported without it."""
    done = run(text_of(numbered(1)).replace(column, "other", 1))
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert f"Missing: {column}." in done.err
    assert all(name in done.err for name in COLUMNS)


def test_a_column_that_is_there_twice_is_named(run: Importer) -> None:
    """Which one would count?"""
    done = run(f"{HEADER},Amount\n{ROW},1")
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert "More than once: amount." in done.err


def test_quotation_marks_that_make_no_sense(run: Importer) -> None:
    """The row is reported; reading goes on behind it."""
    bad = row(reference='"A"B')
    done = run([*numbered(1), bad, *numbered(1, first=2)])
    assert (done.status, counts()) == (1, (2, 2, 0))
    assert done.err.startswith("line 3: The quotation marks make no sense")


def test_a_quotation_mark_that_is_never_closed(run: Importer) -> None:
    """It cannot swallow the whole file, nor the memory: what it took is named, the rest is imported."""
    rows = [*numbered(2), '"' + row(), *numbered(4000, first=3)]
    done = run(rows)
    assert done.status == 1
    first, last = [int(word.strip(".")) for word in done.err.split() if word.strip(".").isdigit()]
    assert first == 4
    assert Payment.objects.count() == 4002 - (last - first)
    assert 4 < last < 4000


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "is empty"),
        (HEADER.encode("utf-16"), "is not UTF-8 text"),
        (b"\xe9" + HEADER.encode(), "is not UTF-8 text"),
        (b"PK\x03\x04\0\0\0", "is not UTF-8 text"),
        (ROW.encode(), "Missing: payment_id"),
        (b"x" * (MAX_LINE_LENGTH + 1), "longer than"),
    ],
)
def test_files_that_are_no_such_csv(run: Importer, content: bytes, complaint: str) -> None:
    """A sentence says why; nothing is imported."""
    done = run(content)
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert complaint in done.err


def test_a_line_without_end(run: Importer) -> None:
    """Reading ends there instead of filling the memory; what was in front of it is imported."""
    done = run(text_of(numbered(3)) + "x" * (MAX_LINE_LENGTH + 1))
    assert done.status == 1
    assert "line 5: longer than 1,000,000 characters" in done.err
    assert "3 rows read: 3 imported" in done.out
    assert counts() == (3, 3, 0)


def test_a_cell_that_is_no_utf_8(run: Importer) -> None:
    """Only its row is wrong, and only where the cell matters."""
    text = text_of([row(reference="REF\xe9"), *numbered(1)]).encode("latin-1")
    done = run(text)
    assert (done.status, counts()) == (1, (1, 1, 0))
    assert done.err.startswith("line 2, reference 'REF\\udce9'")


def test_no_file(tmp_path: Path) -> None:
    """A sentence instead of a stack trace."""
    missing = command(str(tmp_path / "none.csv"))
    assert missing.status == 1
    assert "none.csv cannot be read: No such file or directory." in missing.err
    assert "Is a directory" in command(str(tmp_path)).err
    standard_input = command("-")
    assert standard_input.status == 1
    assert "name a file" in standard_input.err


def test_the_sample(client: object) -> None:
    """All of it is good, and it leaves the small numbers to the order service's orders."""
    done = command(str(SAMPLE))
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("150 rows read: 150 imported, 0 already there, 0 failed")
    assert counts() == (150, 150, 9)
    assert set(Payment.objects.values_list("method", flat=True)) == {"CARD", "UPI", "COD"}
    short = [order_id for order_id in Payment.objects.values_list("order_id", flat=True) if len(order_id) < 6]
    assert short == []
