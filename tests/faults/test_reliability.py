"""The page on reliability says what happened, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.reliability import __main__ as command
from tests.faults.reliability.catalogue import ATTACKS, CATALOGUE, Attack, Listed, listed_tests
from tests.faults.reliability.invariants import Checked, all_checked
from tests.faults.reliability.results import Line, Ran, read_lines, read_report
from tests.faults.reliability.writing import Run, document
from tests.stack import ROOT

TEMPLATE: Final = command.TEMPLATE.read_text()
LINE: Final = Line(
    fault="disk | full",
    injected="no room",
    times=1200,
    checks="nothing\nlost",
    numbers=(27,),
    seed=7,
    test="tests/faults/test_storage.py::test_full[orders]",
    seconds=1.25,
    engine="sqlite",
    outcome="passed",
)
PLANTED: Final = replace(LINE, fault="Planted bug: no tombstone", checks="caught as I3", numbers=(), times=1)
TEST: Final = Ran("payment_service/tests/test_refunds.py", "test_parts[1-2]", 0.5, has_passed=True)
RUN: Final = Run(
    date="2030-01-02 03:04 UTC",
    commit="abc123",
    machine="2 cores",
    command="make reliability",
    seconds=321.4,
    lines=[LINE, PLANTED],
    tests=[TEST],
    invariants=[Checked("I1", "one_charge", "At most one.", "payment_service")],
    catalogue=[
        Listed(5, "The server dies", elsewhere="PostgreSQL"),
        Listed(15, "Refunds race", ("payment_service/tests/test_refunds.py::test_parts",)),
        Listed(27, "The disk is full"),
        Listed(28, "Clocks are wrong", not_covered="the one clock"),
    ],
    attacks=[
        Attack("Half a body", "nothing is executed", ("tests/attacks/test_framing.py",)),
        Attack("Refunds at once", "no more than was taken", ("payment_service/tests/test_refunds.py",)),
    ],
)


def row(page: str, begins: str) -> list[str]:
    """The cells of the one row that begins like this."""
    (found,) = [line for line in page.splitlines() if line.startswith(f"| {begins}")]
    return [cell.strip() for cell in found.strip("|").replace("\\|", "/").split("|")]


def test_what_passed_is_said_with_its_numbers() -> None:
    """Every fault with what was done, how often, what was looked at; each of the list with the tests that show it."""
    page = document(TEMPLATE, RUN)
    assert "What was run has passed. Not run: Nr. 5, 28." in page
    assert row(page, "27 | disk") == [
        "27",
        "disk / full",
        "no room",
        "1,200",
        "nothing lost",
        "passed",
        "1.2",
        "sqlite",
    ]
    assert row(page, "27 | The disk")[2:] == [
        "1,200 times",
        "1",
        "passed",
        "[test_storage](../tests/faults/test_storage.py)",
    ]
    assert row(page, "15 |")[2:5] == ["", "1", "passed"]
    assert row(page, "5 |")[4] == "not run: needs PostgreSQL"
    assert row(page, "28 |")[4] == "not run"
    assert row(page, "no tombstone") == ["no tombstone", "no room", "caught as I3"]
    assert row(page, "Faults put in")[1] == "1,200"
    assert "- Nr. 28: the one clock." in page
    assert "**FAILED**" not in page


def test_an_attack_is_told_with_its_tests_and_how_often_it_was_tried() -> None:
    """And that it was not tried, where it was not."""
    tried = replace(LINE, fault="Attack: refunds", times=60, test=f"{TEST.file}::{TEST.name}", numbers=())
    page = document(TEMPLATE, replace(RUN, lines=[*RUN.lines, tried]))
    assert row(page, "Refunds at once") == [
        "Refunds at once",
        "60 times",
        "1",
        "no more than was taken",
        "passed",
        "[test_refunds](../payment_service/tests/test_refunds.py)",
    ]
    assert row(page, "Half a body")[1:5] == ["", "0", "nothing is executed", "not run"]
    assert row(page, "Faults put in")[1] == "1,200"
    failed = document(TEMPLATE, replace(RUN, tests=[replace(TEST, has_passed=False)]))
    assert row(failed, "Refunds at once")[4] == "**FAILED**"


def test_only_where_the_whole_list_was_run_everything_has_passed() -> None:
    """What is missing is named beside the verdict."""
    page = document(TEMPLATE, replace(RUN, catalogue=RUN.catalogue[1:3]))
    assert "Everything passed." in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lines": [replace(LINE, outcome="FAILED"), PLANTED]}, "disk | full"),
        ({"lines": [LINE, replace(PLANTED, outcome="FAILED")]}, "Planted bug: no tombstone"),
        ({"tests": [replace(TEST, has_passed=False)]}, "`payment_service/tests/test_refunds.py::test_parts[1-2]`"),
        ({"soaked": False}, "the soak"),
        ({"broken": ["postgres"]}, "postgres"),
        ({"lines": [], "tests": []}, "there is no evidence"),
    ],
)
def test_whatever_failed_is_said_first(changes: dict[str, Any], said: str) -> None:
    """A page that says "passed" has nothing in it that did not."""
    run = replace(RUN, **changes)
    assert not run.has_passed
    assert f"**FAILED**: {said}." in document(TEMPLATE, run)


def test_a_failure_shows_in_its_row() -> None:
    """In the list too, where one of several tests failed."""
    lines = [LINE, replace(LINE, fault="gone", outcome="FAILED")]
    page = document(TEMPLATE, replace(RUN, lines=lines))
    assert row(page, "27 | The disk")[2:5] == ["2,400 times", "1", "**FAILED**"]
    assert row(page, "27 | gone")[5] == "**FAILED**"


def test_a_test_that_failed_before_it_told_shows_where_it_belongs() -> None:
    """Its other lines, with other parameters, say which fault of the list it is about."""
    silent = replace(LINE, test="tests/faults/test_storage.py::test_full[stub]", numbers=(), times=0, outcome="FAILED")
    page = document(TEMPLATE, replace(RUN, lines=[LINE, silent]))
    assert row(page, "27 | The disk")[2:5] == ["1,200 times", "2", "**FAILED**"]


def test_what_tests_left_is_read(tmp_path: Path) -> None:
    """Evidence line by line, and pytest's report with failures, errors and skips as what they are."""
    kept = tmp_path / "evidence.jsonl"
    kept.write_text(json.dumps({**LINE.__dict__, "numbers": [27]}) + "\n")
    assert read_lines(kept) == [LINE]
    assert read_lines(tmp_path / "none") == []
    report = tmp_path / "report.xml"
    cases = "".join(
        f'<testcase classname="tests.test_x" name="{name}" time="0.5"><{name}/></testcase>' for name in "ab"
    )
    cases += '<testcase classname="tests.test_x" name="c" time="1"/>'
    cases += '<testcase classname="tests.test_x" name="d" time="1"><failure message="x"/></testcase>'
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert [(test.file, test.name, test.has_passed) for test in read_report(report)] == [
        ("tests/test_x.py", "a", True),
        ("tests/test_x.py", "b", True),
        ("tests/test_x.py", "c", True),
        ("tests/test_x.py", "d", False),
    ]


def test_the_invariants_are_those_that_the_checkers_know() -> None:
    """All eleven, asked of the commands themselves."""
    checked = all_checked()
    assert {each.number for each in checked} == {f"I{number}" for number in range(1, 12)}
    assert {each.where for each in checked} == {"across", "order_service", "payment_service", "product_stub"}
    assert all(each.promise.endswith(".") for each in checked)


def test_the_list_is_whole_and_names_only_tests_that_are_there() -> None:
    """One to thirty-five; a test that was renamed is noticed here."""
    assert [each.number for each in CATALOGUE] == list(range(1, 36))
    for node in listed_tests():
        file, _, function = node.partition("::")
        assert (ROOT / file).is_file(), node
        assert f"def {function}(" in (ROOT / file).read_text() or not function, node


def test_every_attack_is_on_the_page() -> None:
    """A file of attacks that no row names would be shown nowhere."""
    named = {node.partition("::")[0] for each in ATTACKS for node in each.tests}
    assert {f"tests/attacks/{path.name}" for path in (ROOT / "tests" / "attacks").glob("test_*.py")} <= named


def test_every_file_that_leaves_evidence_is_run() -> None:
    """Wherever a test tells of a fault, it is a part of the proof."""
    files = (path for path in (ROOT / "tests").rglob("test_*.py") if "result_log(" in path.read_text())
    telling = {path.relative_to(ROOT) for path in files}
    run = {Path(node.partition("::")[0]) for part in command.parts() for node in part.tests}
    assert {file for file in telling if not run.intersection([file, *file.parents])} == set()
