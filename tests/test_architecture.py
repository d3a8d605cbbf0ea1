"""The rules of the house that a tool can check: who imports whom, how large a function may grow."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.stack import ROOT, SERVICES

MAX_FUNCTION_LINES: Final = 30
NOT_OURS: Final = {"migrations", "tests", ".venv", "venv", "node_modules"}


def modules() -> list[Path]:
    """Every module that is deployed, and those that start and test it."""
    folders = [ROOT / name for name in (*SERVICES, "notify_service", "servicekit", "audit", "orderpay", "console")]
    found = [path for folder in folders for path in sorted(folder.rglob("*.py")) if not NOT_OURS & set(path.parts)]
    return [*found, ROOT / "start.py", ROOT / "conftest.py"]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function with its length, its docstring not counted: that may be as long as it takes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                length -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield node.name, length


def test_imports_keep_to_the_contracts() -> None:
    """import-linter's contracts in pyproject.toml: services apart, layers in order, frameworks where they belong."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_black_box_tests_know_no_service() -> None:
    """What is in this folder speaks HTTP only."""
    for path in sorted((ROOT / "tests").glob("*.py")):
        imported = re.findall(r"^\s*(?:from|import) ([a-z_]+)", path.read_text(), re.MULTILINE)
        assert not {*SERVICES, "notify_service", "servicekit", "django", "rest_framework"} & set(imported), path.name


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_stay_small(path: Path) -> None:
    """At most 30 lines: more is two things. A module is one thing, named for it, however long that is."""
    assert [(name, length) for name, length in functions(path) if length > MAX_FUNCTION_LINES] == []


def test_a_service_writes_through_the_door_that_runs_a_transaction_again() -> None:
    """Else what a deadlock undid would stay undone (docs/adr/0010)."""
    services = [path for path in modules() if path.relative_to(ROOT).parts[0] in (*SERVICES, "notify_service")]
    assert [path.name for path in services if "transaction.atomic" in path.read_text()] == []


REQUIREMENTS: Final = ("requirements-image.txt", "requirements.txt", "requirements-dev.txt")
# A package, its version, where it is wanted, and the hash of each of its files.
PIN: Final = re.compile(
    r"^([a-z0-9-]+)==(\S+)((?: ; [^\\\n]+)?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def pins(name: str) -> dict[tuple[str, str], tuple[str, str]]:
    """What a file asks for: {(package, where): (version, hashes)}."""
    text = (ROOT / name).read_text()
    assert PIN.sub("", text) == "", name
    return {(package, where): (version, hashes) for package, version, where, hashes in PIN.findall(text)}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_requirement_is_pinned_with_the_hashes_of_its_files(name: str) -> None:
    """Two machines install the same, and nothing that was changed since."""
    assert len(pins(name)) > 40


def test_the_pins_agree() -> None:
    """What runs in an image is what a checkout runs and what the tests tested."""
    image, checkout, tests = (pins(name) for name in REQUIREMENTS)
    for smaller, larger in ((image, checkout), (checkout, tests)):
        versions = {package: found for (package, where), found in larger.items() if not where}
        for (package, where), found in smaller.items():
            assert larger.get((package, where), versions.get(package)) == found, package


def test_the_images_have_no_tools_of_the_tests() -> None:
    """What is not there cannot be turned against them."""
    packages = {package for package, _ in pins("requirements-image.txt")}
    assert packages & {"pytest", "pytest-django", "responses", "hypothesis", "honcho", "pip", "setuptools"} == set()


@pytest.mark.parametrize("service", [*SERVICES, "notify_service"])
def test_a_service_is_installed_from_its_own_folder_too(service: str) -> None:
    """`cd order_service && pip install -r requirements.txt`."""
    lines = [line for line in (ROOT / service / "requirements.txt").read_text().splitlines() if line[:1] != "#"]
    assert lines == ["-r ../requirements.txt"]
