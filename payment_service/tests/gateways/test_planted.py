"""The contract suite fails a gateway that breaks a promise: shown with one for each promise (planted.py)."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from payment_service.settings import HERE
from payment_service.tests.gateways.planted import LIARS, Honest

ROOT = HERE.parent
SUITE = "payment_service/tests/gateways/test_contract.py"


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The failed tests of a run over the planted gateways, each as test[gateway]."""
    report = tmp_path_factory.mktemp("planted") / "report.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "payment_service.tests.gateways.planted",
        "-p",
        "no:cacheprovider",
    ]
    command += [SUITE, "-c", "payment_service/pytest.ini", f"--rootdir={ROOT}", f"--junitxml={report}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return failures_in(report)


def failures_in(report: Path) -> set[str]:
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {
        str(case.get("name")) for case in cases if case.find("failure") is not None or case.find("error") is not None
    }


@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.__name__)
def test_a_broken_promise_fails_the_suite(failed: set[str], liar: type[Honest]) -> None:
    """And the test that fails is the one of that promise."""
    of_the_liar = {
        name.partition("[")[0] for name in failed if liar.__name__ in name.strip("]").split("[")[-1].split("-")
    }
    assert LIARS[liar] in of_the_liar, of_the_liar


def test_whoever_keeps_them_passes(failed: set[str]) -> None:
    """So the suite fails a gateway for its lie and not for being planted."""
    assert {name for name in failed if "Honest" in name} == set()
