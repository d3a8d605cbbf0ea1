"""What the documents point at is there."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest

from tests.stack import ROOT

DOCUMENTS: Final = [*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("docs/**/*.md")]
# A target that is neither an address nor a heading of the same page.
LINK: Final = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_leads_to_a_file_that_is_there(document: Path) -> None:
    """Relative to where the document is, as a reader of the repository follows it."""
    targets = [unquote(target) for target in LINK.findall(document.read_text(encoding="utf-8"))]
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_there_are_links() -> None:
    """So that a change of their form does not quietly test nothing."""
    assert sum(len(LINK.findall(document.read_text(encoding="utf-8"))) for document in DOCUMENTS) > 50


def test_the_readme_lists_every_decision_by_its_title() -> None:
    """Also the newest one."""
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    titles = {path: path.read_text(encoding="utf-8").splitlines()[0].partition(": ")[2] for path in decisions}
    listed = "\n".join(f"- [{title}]({path.relative_to(ROOT)})" for path, title in titles.items())
    assert listed in (ROOT / "README.md").read_text(encoding="utf-8")
