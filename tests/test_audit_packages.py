"""What comes of pip-audit's word on each package: what is known, and what was not asked about, is not good."""

import importlib.machinery
import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import pytest

from tests.stack import ROOT

GOOD: Final = {"name": "django", "version": "5.2.19", "vulns": []}
BAD: Final = {"name": "requests", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
NOT_ASKED: Final = {"name": "rich", "skip_reason": "not found"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("audit_packages", str(ROOT / "scripts" / "audit-packages"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([GOOD], 0, ["1 packages asked about, 0 to look at."]),
        ([GOOD, BAD], 1, ["requests 1.0: PYSEC-1, mended in 1.1", "2 packages asked about, 1 to look at."]),
        ([GOOD, NOT_ASKED], 1, ["rich: not found", "2 packages asked about, 1 to look at."]),
    ],
    ids=["good", "bad", "not asked about"],
)
def test_only_what_was_asked_about_and_has_nothing_is_good(
    script: ModuleType, capsys: pytest.CaptureFixture[str], packages: list[Any], status: int, said: list[str]
) -> None:
    """Each vulnerability is named with the version that mends it."""
    assert script._judge(packages) == status
    assert capsys.readouterr().out.splitlines() == said


def test_where_nobody_can_be_asked_that_is_no_success(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status of its own, and the word that nothing was audited."""
    behind: list[object] = []
    replaced: dict[str, Callable[..., Any]] = {
        "_own_environment": lambda folder: folder,
        "_ask": lambda *_: [NOT_ASKED],
        "_say_what_is_behind": lambda *given: behind.append(given),
    }
    for name, function in replaced.items():
        monkeypatch.setattr(script, name, function)
    monkeypatch.setattr("sys.argv", ["audit-packages"])
    assert (script.main(), len(behind)) == (script.NOBODY_TO_ASK, 1)
    assert capsys.readouterr().out == "Nobody could be asked about any of 1 packages: NOT AUDITED.\n"
