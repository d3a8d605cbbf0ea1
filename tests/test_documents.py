"""What the documents point at is there, and what they list is complete."""

import re
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest

from tests.stack import ROOT

DOCUMENTS: Final = [
    *ROOT.glob("*.md"),
    *ROOT.glob("orderpay/*.md"),
    *ROOT.glob("benchmarks/*.md"),
    *ROOT.glob("docs/**/*.md"),
]
DECISIONS: Final = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
# A target that is no address: a file, a heading, or a heading of a file.
LINK: Final = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
# A file of this repository that a page names: `servicekit/retry.py`, or the end of its path.
FILE: Final = re.compile(r"`([a-z_./-]+\.(?:cfg|html|md|py|sh|toml|yaml|yml))`")
# A number of orders, requests, rows or events in a second. A ratio is none, and what one of them costs is none.
THROUGHPUT: Final = re.compile(
    r"\d\s*(?:\w+ )?(?:(?:orders|requests|events|rows|payments)(?:/s\b| (?:a|per) second)|/s\b)"
)
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def tracked() -> list[str]:
    """Every file of the repository, relative to its root."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def anchors(document: Path) -> set[str]:
    """Its headings as GitHub writes them in an address."""
    headings = HEADING.findall(FENCED.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_links(document: Path) -> list[str]:
    """A sentence for each link that leads nowhere: which one, and what is missing."""
    found = []
    for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        path = document.parent / unquote(target) if target else document
        if not path.exists():
            found.append(f"{target}: there is no such file; correct the link or add the file")
        elif anchor and anchor not in anchors(path):
            found.append(f"{target}#{anchor}: no such heading; there are {', '.join(sorted(anchors(path)))}")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_leads_to_a_file_that_is_there(document: Path) -> None:
    """Relative to where the document is, as a reader of the repository follows it; also to a heading that it names."""
    wrong = wrong_links(document)
    assert not wrong, f"{document.relative_to(ROOT)} has links that lead nowhere:\n" + "\n".join(wrong)


def test_there_are_links() -> None:
    """So that a change of their form does not quietly test nothing."""
    assert sum(len(LINK.findall(document.read_text(encoding="utf-8"))) for document in DOCUMENTS) > 50


def test_every_page_is_found_from_the_readme() -> None:
    """Link by link, so that no page is lost when another one moves."""
    reached: set[Path] = set()
    ahead = {ROOT / "README.md"}
    while ahead:
        page = ahead.pop()
        reached.add(page)
        targets = [unquote(target) for target, _ in LINK.findall(page.read_text(encoding="utf-8")) if target]
        linked = {(page.parent / target).resolve() for target in targets if target.endswith(".md")}
        ahead |= {path for path in linked if path.exists()} - reached
    lost = sorted(str(page.relative_to(ROOT)) for page in DOCUMENTS if page.parent != ROOT and page not in reached)
    assert not lost, f"no page that the README leads to has a link to {', '.join(lost)}; add one"


def test_the_readme_is_short() -> None:
    """It is read once, from the top; what is longer has a page in docs/."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").count("\n")
    assert lines <= 200, f"README.md has {lines} lines, 200 are the limit: move a part to a page in docs/, and link it"


def test_every_decision_is_listed_by_its_title() -> None:
    """Also the newest one."""
    wanted = []
    for path in DECISIONS:
        title = path.read_text(encoding="utf-8").splitlines()[0].partition(": ")[2]
        wanted.append(f"- [{title}]({path.name})")
    page = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    listed = [line for line in page.splitlines() if line.startswith("- [")]
    missing = [line for line in wanted if line not in listed]
    surplus = [line for line in listed if line not in wanted]
    assert not missing, "docs/adr/README.md lacks these lines, or has another title in them:\n" + "\n".join(missing)
    assert not surplus, "docs/adr/README.md has these lines without such a decision:\n" + "\n".join(surplus)
    assert listed == wanted, "docs/adr/README.md must list the decisions by their numbers"


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.stem[:4])
def test_every_decision_has_the_one_form(decision: Path) -> None:
    """Title with its number, status, date, and the three parts in their order."""
    text = decision.read_text(encoding="utf-8")
    form = {
        f"begin with '# {decision.stem[:4]}: ' and the decision as a sentence": rf"\A# {decision.stem[:4]}: \S.*\n\n",
        "say 'Status: accepted.', 'proposed.' or 'superseded by ...' below the title": (
            r"\A#.*\n\nStatus: (accepted|proposed|superseded by)\b"
        ),
        "have 'Date: YYYY-MM-DD' in the line below the status": r"^Status: .*\nDate: \d{4}-\d\d-\d\d$",
    }
    wrong = [what for what, pattern in form.items() if not re.search(pattern, text, re.MULTILINE)]
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if parts != ["Context", "Decision", "Consequences"]:
        wrong.append(f"have the parts '## Context', '## Decision', '## Consequences', and has {parts}")
    assert not wrong, f"{decision.relative_to(ROOT)} must " + "; it must ".join(wrong)


PAGES: Final = [page for page in DOCUMENTS if page.name not in ("CHANGELOG.md", "reliability.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    """By its path from the root, or by the end of it."""
    files = tracked()
    named = sorted(set(FILE.findall(page.read_text(encoding="utf-8"))))
    lost = [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)]
    assert not lost, f"{page.relative_to(ROOT)} names {', '.join(lost)}, which is not there; has it been moved?"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_throughput_stands_in_the_figures_alone(page: Path) -> None:
    """One page, made by commands that it names: else several figures stand side by side, and all but one are old."""
    found = [line for line in page.read_text(encoding="utf-8").splitlines() if THROUGHPUT.search(line)]
    if page == ROOT / "docs" / "figures.md":
        assert found
    else:
        assert not found, f"move these to docs/figures.md, from {page.relative_to(ROOT)}:\n" + "\n".join(found)


def test_the_map_names_every_folder() -> None:
    """Each service, each room of servicekit, and whatever else lies in the root."""
    page = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    files = tracked()
    folders = {path.split("/")[0] for path in files if "/" in path}
    rooms = {path.split("/")[1] for path in files if path.startswith("servicekit/") and not path.endswith(".ini")}
    wanted = sorted(folders | rooms - {"tests", "__init__.py"})
    missing = [name for name in wanted if f"`{name}`" not in page]
    assert not missing, f"docs/map.md does not say what lives in {', '.join(missing)}; add a line"
