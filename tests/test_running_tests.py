"""`pytest` from anywhere: one process for each suite, as with a single one for whoever calls it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.stack import ROOT, base_environment

A_TEST: Final = "servicekit/tests/test_retries.py::test_it_never_waits_less_than_the_peer_asked_for"
ANOTHER: Final = "tests/test_readme.py::test_there_are_examples"
TWO_FILES: Final = (ANOTHER.partition("::")[0], A_TEST.partition("::")[0])  # of two suites, quickly collected


def run_pytest(*arguments: str, folder: Path = ROOT, **variables: str) -> tuple[int, list[str]]:
    """Exit status and lines of `pytest`; a stray settings module in the environment must not matter."""
    environment = {**base_environment(), "DJANGO_SETTINGS_MODULE": "somebody.elses.settings", **variables}
    command = [str(Path(sys.executable).with_name("pytest")), "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_a_node_id_runs_one_test() -> None:
    """In its own suite, without the others."""
    status, lines = run_pytest("-q", A_TEST)
    assert (status, lines[-1].partition(" in ")[0]) == (0, "1 passed")


def test_node_ids_of_two_suites_run_in_two_processes(tmp_path: Path) -> None:
    """The last line adds them up, and `--junitxml` is one file."""
    report = tmp_path / "report.xml"
    status, lines = run_pytest("-q", f"--junitxml={report}", A_TEST, ANOTHER)
    assert (status, lines[-1]) == (0, "2 passed, 0 failed")
    assert (report.read_text().count("<testsuite "), report.read_text().count("<testcase ")) == (2, 2)
    assert [line for line in lines if line in ("servicekit:", "tests:", "order_service:")] == ["servicekit:", "tests:"]


def test_two_services_run_in_one_call() -> None:
    """Their conftest files, which need settings, are loaded where those are."""
    status, lines = run_pytest("-q", "-k", "conftest or no_such_test", "notify_service", "product_stub/tests/")
    assert (status, lines[-1]) == (pytest.ExitCode.NO_TESTS_COLLECTED, "0 passed, 0 failed")
    services = ["product_stub:", "notify_service:"]
    assert [line for line in lines if line in services] == services


def test_an_expression_selects_in_every_suite() -> None:
    """Suites where it selects nothing do not make it a failure."""
    status, lines = run_pytest("-q", "-k", "less_than_the_peer_asked_for", *TWO_FILES)
    assert (status, lines[-1]) == (0, "1 passed, 0 failed")


def test_an_expression_that_selects_nothing_says_so() -> None:
    """pytest's own status for it."""
    status, lines = run_pytest("-q", "-k", "no_such_test_anywhere", *TWO_FILES)
    assert (status, lines[-1]) == (pytest.ExitCode.NO_TESTS_COLLECTED, "0 passed, 0 failed")


@pytest.mark.parametrize("suite", ["notify_service", "order_service", "payment_service", "product_stub", "servicekit"])
def test_a_suite_runs_from_its_own_folder(suite: str) -> None:
    """With its own settings, whatever the environment says."""
    status, lines = run_pytest("-q", "--collect-only", folder=ROOT / suite)
    assert status == 0
    assert any(line.startswith(("tests/", "gateways/")) for line in lines)


def test_the_gate_leaves_marked_tests_to_the_night() -> None:
    """Deselected, not skipped; `NIGHTLY=1` brings them."""
    marked = "tests/test_concurrency.py::test_eight_clients_place_two_hundred_orders_each"
    _, (*gate, _) = run_pytest("-q", "--collect-only", "-c", "tests/pytest.ini", marked)
    _, (*night, _) = run_pytest("-q", "--collect-only", "-c", "tests/pytest.ini", marked, NIGHTLY="1")
    shapes = ["one server of each", "two servers of each"]
    assert [shape for shape in shapes if any(shape in line for line in gate)] == shapes[:1]
    assert [shape for shape in shapes if any(shape in line for line in night)] == shapes


def test_a_folder_without_tests_is_named() -> None:
    """A usage error, not a success."""
    status, _ = run_pytest("docs")
    assert status == pytest.ExitCode.USAGE_ERROR


WATCHED: Final = """
import importlib, sys
from pathlib import Path
import dotenv
dotenv.load_dotenv = lambda path, **__: print(Path(path).parent.name)
for module in sys.argv[1:]:
    importlib.import_module(module)
"""
SUITES: Final = ("notify_service", "order_service", "payment_service", "product_stub", "servicekit")


def test_a_users_own_env_file_is_nothing_to_a_suite() -> None:
    """Its settings read none, those of a service do; and the services of the black box are told to read none."""
    environment = base_environment()
    assert environment.pop("ENV_FILE") == ""

    def files_read(*modules: str) -> list[str]:
        command = [sys.executable, "-c", WATCHED, *modules]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    for suite in SUITES:
        assert f"--ds={suite}.tests.settings" in (ROOT / suite / "pytest.ini").read_text()
    assert files_read(*(f"{suite}.tests.settings" for suite in SUITES)) == []
    assert files_read(*(f"{suite}.settings" for suite in SUITES[:-1])) == list(SUITES[:-1])
