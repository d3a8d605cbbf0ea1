"""`make reliability`: run the fault tests, on every engine that is installed, and write down what came of it."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.faults.chaos import plan as chaos
from tests.faults.reliability.catalogue import ATTACKS, CATALOGUE, listed_tests
from tests.faults.reliability.invariants import all_checked
from tests.faults.reliability.results import read_lines, read_report
from tests.faults.reliability.writing import Run, document
from tests.faults.result_log import FILE
from tests.stack import ROOT

DESCRIPTION: Final = """\
Run the fault tests, with the soak beside them, and write docs/reliability.md from what came of it. Takes half an hour
on two cores; what is being run is said. Exit status: 0 when everything passed, 1 when not; the page is written either
way, and says so."""
PAGE: Final = ROOT / "docs" / "reliability.md"
TEMPLATE: Final = Path(__file__).with_name("template.md")
# What SQLite has not.
ON_SERVERS: Final = ("tests/faults/test_engine_faults.py", "tests/faults/test_clocks.py")
# Most tests wait for the services that they have started. All tests of a file stay together: they share a stack.
AT_ONCE: Final = ("--numprocesses", "3", "--dist", "loadfile")
ONE_BY_ONE: Final = ("--numprocesses", "0")
# What goes on beside the parts, and can be asked for like one.
SOAK: Final = "soak"
# The commands that the evidence in a folder is of, and how long they took.
ABOUT: Final = "about.json"
# What pytest ends with when every test has passed, or there was none.
CLEAN: Final = ("0", "5")


@dataclass(frozen=True)
class Part:
    """One run of pytest. `around` starts what it needs, before the command."""

    name: str
    tests: Sequence[str]
    around: Sequence[str] = ()
    pace: Sequence[str] = AT_ONCE

    def report(self, folder: Path) -> Path:
        return folder / f"{self.name}.xml"

    def evidence(self, folder: Path) -> Path:
        """The lines that its tests left."""
        return folder / f"{self.name}.jsonl"

    def status(self, folder: Path) -> Path:
        """How pytest ended."""
        return folder / f"{self.name}.status"


def parts() -> list[Part]:
    """Everything that is run, in order."""
    databases, kafka = str(ROOT / "scripts" / "databases"), str(ROOT / "scripts" / "kafka")
    listed = listed_tests()
    found = [
        Part("sqlite", ["tests/faults", *_telling(), *listed]),
        Part("postgres", ON_SERVERS, [databases, "run", "--durable", "postgres", "--"]),
        Part("mysql", ON_SERVERS, [databases, "run", "--durable", "mysql", "--"]),
        # All of them break the same broker.
        Part("kafka", ["tests/kafka"], [kafka, "run", "--"], ONE_BY_ONE),
    ]
    return [part for part in found if (ROOT / part.tests[0]).exists()]


def _telling() -> list[str]:
    """The files right in the suite across the services that leave evidence."""
    files = sorted((ROOT / "tests").glob("test_*.py"))
    return [f"tests/{path.name}" for path in files if "result_log(" in path.read_text()]


def main() -> int:
    given = _arguments()
    began = time.monotonic()
    about: dict[str, Any] = {"commands": [], "seconds": 0.0}
    if given.part or given.write_only:
        about = json.loads((given.folder / ABOUT).read_text())
    else:
        shutil.rmtree(given.folder, ignore_errors=True)
        given.folder.mkdir(parents=True)
    if not given.write_only:
        wanted = [part for part in parts() if not given.part or part.name in given.part]
        with _soak(given):
            for number, part in enumerate(wanted, start=1):
                _say(f"{number} of {len(wanted)}: {part.name}")
                part.status(given.folder).write_text(str(_run(part, given.folder)))
            _say("The rest of the soak")
        about = {
            "commands": [*about["commands"], given.command],
            "seconds": about["seconds"] + time.monotonic() - began,
        }
        (given.folder / ABOUT).write_text(json.dumps(about))
    run = _what_came_of_it(given.folder)
    PAGE.write_text(document(TEMPLATE.read_text(encoding="utf-8"), run), encoding="utf-8")
    _say(f"{PAGE.relative_to(ROOT)}: {'everything passed' if run.has_passed else 'NOT everything passed'}")
    return 0 if run.has_passed else 1


def _run(part: Part, folder: Path) -> int:
    # With the root given, a test is named by its path in the repository also where only one suite's are run.
    pytest = [sys.executable, "-m", "pytest", "-q", f"--rootdir={ROOT}", *part.pace, *dict.fromkeys(part.tests)]
    part.evidence(folder).unlink(missing_ok=True)
    environment = {**_environment(), FILE: str(part.evidence(folder))}
    return subprocess.call([*part.around, *pytest, f"--junitxml={part.report(folder)}"], cwd=ROOT, env=environment)


def _environment() -> Mapping[str, str]:
    """That of whoever calls, without a database or broker of theirs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DB_", "TEST_DB_", "KAFKA_"))}


@contextmanager
def _soak(given: argparse.Namespace) -> Iterator[None]:
    """Soak beside the tests, and to its end."""
    if not given.minutes or (given.part and SOAK not in given.part):
        yield
        return
    _say(f"Beside all of it: the soak, {given.minutes:g} minutes, seed {given.seed}")
    drawn = ["--seed", str(given.seed), "--minutes", str(given.minutes), "--rate", str(given.rate)]
    command = [sys.executable, "-m", "tests.faults.chaos", *drawn]
    log = given.folder / "soak.txt"
    begin = partial(subprocess.Popen, [*command, "--narrow-for", "0"], cwd=ROOT, env=_environment())
    with log.open("w") as output, begin(stdout=output) as soak:
        yield
    (given.folder / "soak.status").write_text(str(soak.returncode))
    print(log.read_text(), flush=True)


def _what_came_of_it(folder: Path) -> Run:
    soak, about = folder / "soak.txt", json.loads((folder / ABOUT).read_text())
    ran = [part for part in parts() if part.report(folder).exists()]
    return Run(
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        commit=_commit(),
        machine=f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        command="`, then `".join(about["commands"]),
        seconds=about["seconds"],
        lines=[line for part in ran for line in read_lines(part.evidence(folder))],
        tests=[test for part in ran for test in read_report(part.report(folder))],
        invariants=all_checked(),
        catalogue=CATALOGUE,
        attacks=ATTACKS,
        soak="\n".join(_telling_lines(soak.read_text())) if soak.exists() else "",
        soaked=not soak.exists() or (folder / "soak.status").read_text() == "0",
        not_run=[part.name for part in parts() if part not in ran],
        broken=[part.name for part in ran if part.status(folder).read_text() not in CLEAN],
    )


def _telling_lines(said: str) -> Iterator[str]:
    """What the soak said, without its progress."""
    words = ("Seed", "Requests", "Orders", "Faults", "Quiet", "VIOLATION", "Every invariant", "FAILED")
    return (line for line in said.splitlines() if line.startswith(words))


def _commit() -> str:
    commit = _git("rev-parse", "HEAD")[:12]
    others = [
        line for line in _git("status", "--porcelain", "--untracked-files=no").splitlines() if PAGE.name not in line
    ]
    return f"{commit}, and changes that are not in it" if others else commit


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.rstrip()


def _say(what: str) -> None:
    print(f"\n==> {what}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make reliability", description=DESCRIPTION)
    parser.add_argument("--seed", type=int, default=1, help="the soak's seed (default %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=1.0, help="the soak's length, 0 for none (default %(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, default=chaos.RATE, help="the soak's customers in a second (default %(default)s)"
    )
    parser.add_argument(
        "--part",
        action="append",
        default=[],
        choices=[*(part.name for part in parts()), SOAK],
        help="run this alone, again, and write the page from it and from the rest of the last run",
    )
    parser.add_argument("--folder", type=Path, default=ROOT / ".reliability", help="where the evidence is kept")
    parser.add_argument("--write-only", action="store_true", help="run nothing, write from what is in the folder")
    given = parser.parse_args()
    given.folder = given.folder.resolve()
    variables = "".join(f"{name}={os.environ[name]} " for name in ("NIGHTLY",) if name in os.environ)
    more = [] if given.rate == chaos.RATE else [f"--rate {given.rate:g}"]
    more += [f"--part {name}" for name in given.part]
    arguments = f' ARGS="{" ".join(more)}"' if more else ""
    given.command = f"{variables}make reliability SEED={given.seed} MINUTES={given.minutes:g}{arguments}"
    if given.part and not (given.folder / ABOUT).exists():
        parser.error(f"there was no run yet, of which {given.folder} would have the rest")
    return given


if __name__ == "__main__":
    sys.exit(main())
