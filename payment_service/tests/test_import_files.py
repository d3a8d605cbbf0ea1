"""Which files can be imported, and that lines are counted as an editor counts them."""

from pathlib import Path

import pytest

from payment_service.payments.importing.csv_reader import MAX_LINE_LENGTH, MAX_ROW_LINES
from payment_service.payments.importing.parse_row import COLUMNS
from payment_service.payments.models import Payment
from payment_service.settings import HERE
from payment_service.tests.importing import HEADER, ROW, Importer, command, counts, numbered, row, text_of

pytestmark = pytest.mark.django_db
SAMPLE = HERE / "sample_payments.csv"


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
    assert done.err.startswith("line 3: The quotation marks make no sense: one is opened on line 3; ")


UNBALANCED = [f'"{row()}', row(reference='"REF'), row(payment_id='"7'), row(refunded='"0'), row(order_id='"342""')]


@pytest.mark.parametrize("bad", UNBALANCED)
@pytest.mark.parametrize("behind", [0, 1, 4000])
def test_a_quotation_mark_that_is_never_closed(run: Importer, bad: str, behind: int) -> None:
    """It spoils its own row, wherever it stands, however many rows follow, and the report says where it was opened."""
    done = run([*numbered(2), bad, *numbered(behind, first=3)])
    assert (done.status, counts()) == (1, (2 + behind, 2 + behind, 0))
    assert done.err.count("\n") == 1
    assert done.err.startswith("line 4: The quotation marks make no sense: one is opened on line 4; ")


@pytest.mark.parametrize("second", [*UNBALANCED, row(reference='REF"'), row(reference='"A B"'), row(refunded='0"')])
@pytest.mark.parametrize("first", UNBALANCED)
def test_two_of_them_do_not_swallow_what_is_between(run: Importer, first: str, second: str) -> None:
    """The second closes what the first opened, and yet the rows between are rows."""
    second = second.replace("7,342", "8,343", 1) if second.count('"') == 2 else second
    run([*numbered(2), first, *numbered(5, first=3), second, *numbered(2, first=8)])
    assert set(range(1, 10)) <= set(Payment.objects.values_list("number", flat=True)) | {7}
    assert set(range(1001, 1010)) <= {int(order_id) for order_id in Payment.objects.values_list("order_id", flat=True)}


def test_every_row_with_one(run: Importer) -> None:
    """Each fails for itself, and reading them takes no longer than a file of that size should."""
    done = run([f'"{line}' for line in numbered(2000)], "--report", str(run.report))
    assert "2,000 rows read: 0 imported, 0 already there, 2,000 failed" in done.out
    assert len(run.report.read_text().splitlines()) == 2001


def test_a_cell_of_text_is_no_row(run: Importer) -> None:
    """Rows inside a cell that is quoted as it should be are text, which somebody may have written on purpose."""
    forged = row(payment_id=66, order_id=66, reference="FORGED")
    done = run(f'{HEADER},note\n{ROW},"hello\n{forged},\n"\n{row(payment_id=8, order_id=8, reference="B")},\n')
    assert (done.status, list(Payment.objects.values_list("number", flat=True))) == (1, [8])
    assert done.err == (
        "line 2: The quotation marks make no sense: one is opened on line 2; if the one on line 4 closes it, the lines "
        "between are no rows. Lines 2 to 4 belong to it.\n"
    )


def test_a_row_has_so_many_lines_and_no_more(run: Importer) -> None:
    """A long text in a cell is one row; what is longer than any text fails alone."""
    text = "\n".join(["word"] * (MAX_ROW_LINES - 1))
    longer = "\n".join(["word"] * (MAX_ROW_LINES + 5))
    rows = [f'{ROW},"{text}"', f'{row(payment_id=8, order_id=8, reference="B")},"{longer}"']
    rows.append(f"{row(payment_id=9, order_id=9, reference='C')},")
    done = run("\n".join([f"{HEADER},note", *rows]))
    assert (done.status, set(Payment.objects.values_list("number", flat=True))) == (1, {7, 9})
    assert f"one is opened on line {MAX_ROW_LINES + 1}; none on the {MAX_ROW_LINES} lines" in done.err


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_rows_of_separators_only_are_empty_lines(run: Importer, delimiter: str) -> None:
    """Spreadsheets write them below the last row, above the header and in between; quoted or with blanks, too."""
    blank = [",,,,,,,", ", , ,,,,,", '"","",,,,,,', "  ", ",", ",,,,,,,,,,,,"]
    text = "\n".join([blank[0], HEADER, blank[1], *numbered(1), *blank, *numbered(1, first=2), *blank, ""])
    done = run(text.replace(",", delimiter))
    assert (done.status, done.err, counts()) == (0, "", (2, 2, 0))
    assert done.out.startswith("2 rows read: ")


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;\r"])
def test_a_line_that_names_the_separator_is_no_row(run: Importer, first: str) -> None:
    """Excel is told so, and counts it as a line."""
    done = run(f"{first}\n" + text_of([*numbered(1), row(amount="x")]).replace(",", ";"))
    assert (done.status, counts()) == (1, (1, 1, 0))
    assert done.err.startswith("line 4, amount")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            text_of([ROW]).replace(",", "\t"),
            "its cells are separated by tabs; save it again with commas or semicolons.",
        ),
        (text_of([ROW]).replace(",", "|"), "its cells are separated by vertical bars; save it again"),
        ("sep=\t\n" + text_of([ROW]).replace(",", "\t"), "line 1: says 'sep=\\t'; only commas and semicolons can"),
        (
            "Payments 2025\n" + text_of([ROW]),
            "line 1 must name the columns, but is a title; their names are on line 2.",
        ),
        ("Payments,,,\n\nas of today, all\n" + text_of([ROW]), "but is a title; their names are on line 4."),
        ("sep=;\nTitle\n" + text_of([ROW]).replace(",", ";"), "line 2 must name the columns, but is a title;"),
        ("sep=;\n", "is empty"),
        (",,,\n;;\n", "is empty"),
    ],
)
def test_what_is_above_or_between_the_cells_is_named(run: Importer, content: str, complaint: str) -> None:
    """Instead of a list of columns that are missing; nothing is imported."""
    done = run(content)
    assert (done.status, counts()) == (1, (0, 0, 0))
    assert complaint in done.err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "is empty"),
        *[
            (content, "payments.csv, line 1: not UTF-8 text; save the file again as CSV in UTF-8.")
            for content in [
                *[HEADER.encode(code) for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")],
                b"\xe9" + HEADER.encode(),
                b"PK\x03\x04\0\0\0",
            ]
        ],
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


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [("reference", "RÉF", "latin-1"), ("method", "é", "latin-1"), ("reference", "5€", "cp1252")],
)
def test_a_cell_that_is_no_utf_8(run: Importer, column: str, value: str, code: str) -> None:
    """Only its row is wrong, and says how to save the file, without half a character in it."""
    text = text_of([row(**{column: value}), *numbered(1)]).encode(code)
    done = run(text, "--report", str(run.report))
    shown = value.encode(code).decode(errors="replace")
    assert (done.status, counts()) == (1, (1, 1, 0))
    assert done.err == f"line 2, {column} {shown!r}: Is not UTF-8 text; save the file again as CSV in UTF-8.\n"
    assert f'"{shown}"' in run.report.read_text()


def test_a_cell_that_is_no_utf_8_and_does_not_matter(run: Importer) -> None:
    """In a column that nobody reads it is no problem."""
    text = f"{HEADER},note\n{row()},caf\xe9\n".encode("latin-1")
    assert (run(text).status, counts()) == (0, (1, 1, 0))


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
