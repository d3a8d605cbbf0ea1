"""Runs each suite in a process of its own, because a process can bind only one Django settings module (ADR 0001).

Only a pytest that is started for more than one suite comes here: below a suite's own folder its pytest.ini is the
one that counts, and this file is not even loaded. `pytest`, a folder, a node id, `-k` and the rest work as ever.
"""

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import IO, Final
from xml.etree import ElementTree

import pytest

ROOT: Final = Path(__file__).resolve().parent
SUITES: Final = ("servicekit", "product_stub", "payment_service", "order_service", "notify_service", "console", "tests")
BLACK_BOX: Final = "tests"
# Options that only tell something; pytest answers them without running a test.
_TELLING: Final = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")


def _leave_out_the_suites_own() -> None:
    """Let pytest find the suites' conftest files loaded already, and empty.

    It loads those beside the paths that it is given before anybody is asked what to run. They import models, which need
    settings, and this process has none.
    """
    for path in (path for suite in SUITES for path in (ROOT / suite).rglob("conftest.py")):
        module = ModuleType(".".join(path.relative_to(ROOT).with_suffix("").parts))
        module.__file__ = str(path)
        sys.modules[module.__name__] = module


_leave_out_the_suites_own()


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if config.rootpath != ROOT or any(config.getoption(name, default=None) for name in _TELLING):
        return None
    arguments = _by_suite(config)
    options = _options(config)
    with tempfile.TemporaryDirectory() as folder:
        reports = [Path(folder) / f"{suite}.xml" for suite in arguments]
        commands = {
            suite: [*options, *paths, "-c", str(ROOT / suite / "pytest.ini"), f"--junitxml={report}"]
            for (suite, paths), report in zip(arguments.items(), reports, strict=True)
        }
        codes = _run_all(commands, jobs=_jobs(config), stops=bool(config.getoption("maxfail")))
        if not config.getoption("collectonly"):
            _summarise([report for report in reports if report.exists()], config.getoption("xmlpath"))
    return _exit_code(codes)


def _by_suite(config: pytest.Config) -> dict[str, list[str]]:
    """What to run, as {suite: paths and node ids}; a path above the suites means all of them."""
    found: dict[str, list[str]] = {}
    for argument in config.args:
        name, _, test = argument.partition("::")
        path = (config.invocation_params.dir / name).resolve()
        inside = [suite for suite in SUITES if path.is_relative_to(ROOT / suite)]
        above = [suite for suite in SUITES if (ROOT / suite).is_relative_to(path)]
        if not inside and not above:
            raise pytest.UsageError(f"{argument} is in none of the suites: {', '.join(SUITES)}")
        for suite in inside:
            found.setdefault(suite, []).append(f"{path}::{test}" if test else str(path))
        for suite in above:
            found.setdefault(suite, []).append(str(ROOT / suite))
    return {suite: found[suite] for suite in SUITES if suite in found}


def _options(config: pytest.Config) -> list[str]:
    """The command line without the paths, which each suite gets its own of."""
    options = list(config.invocation_params.args)
    if config.args_source is not config.ArgsSource.ARGS:
        return options
    for path in config.args:
        places = [place for place, option in enumerate(options) if option == path]
        # `-k tests tests`: the first is the option's value, so prefer one that follows no option.
        free = [place for place in places if place == 0 or not options[place - 1].startswith("-")]
        del options[(free or places)[-1]]
    return options


def _jobs(config: pytest.Config) -> int:
    """How many processes may test at once, as pytest-xdist is told; 0: one suite after another, each in one process."""
    return int(config.getoption("numprocesses", default=None) or 0)


def _run_all(commands: Mapping[str, Sequence[str]], *, jobs: int, stops: bool) -> list[int]:
    """Run the suites, each command from the root; their exit statuses. Ctrl-C is left to them, who end what they began.

    With several jobs the black box has all but one. That one is for the others, one after another: more processes would
    each have to load and collect a suite anew. What they say is printed when the black box is through.
    """
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    beside = [suite for suite in commands if suite != BLACK_BOX] if jobs > 1 and len(commands) > 1 else []
    try:
        if not beside or BLACK_BOX not in commands:
            return _one_by_one(commands, stops=stops)
        with tempfile.TemporaryFile(buffering=0) as said, ThreadPoolExecutor(1) as pool:
            few = {suite: [*commands[suite], "--numprocesses=0"] for suite in beside}
            others = pool.submit(_one_by_one, few, stops=stops, said=said)
            codes = _one_by_one({BLACK_BOX: [*commands[BLACK_BOX], f"--numprocesses={jobs - 1}"]}, stops=stops)
            codes = [*others.result(), *codes]
            said.seek(0)
            sys.stdout.buffer.write(said.read())
            return codes
    finally:
        signal.signal(signal.SIGINT, previous)


def _one_by_one(commands: Mapping[str, Sequence[str]], *, stops: bool, said: IO[bytes] | None = None) -> list[int]:
    codes: list[int] = []
    for suite, command in commands.items():
        title = f"\n{suite}:\n".encode()
        (said or sys.stdout.buffer).write(title)
        (said or sys.stdout.buffer).flush()
        whole = [sys.executable, "-m", "pytest", *command, f"--rootdir={ROOT}"]
        codes.append(subprocess.call(whole, cwd=ROOT, stdout=said, stderr=said))
        failed = codes[-1] not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if codes[-1] == pytest.ExitCode.INTERRUPTED or (failed and stops):
            break
    return codes


def _summarise(reports: Sequence[Path], wanted: str | None) -> None:
    """Print what all suites came to, as the last line; keep the joined report where `--junitxml` asks for it."""
    suites = [suite for report in reports for suite in ElementTree.parse(report).getroot().iter("testsuite")]
    if wanted is not None:
        joined = ElementTree.Element("testsuites")
        joined.extend(suites)
        Path(wanted).parent.mkdir(parents=True, exist_ok=True)
        ElementTree.ElementTree(joined).write(wanted, encoding="utf-8", xml_declaration=True)
    counts: Counter[str] = Counter()
    for suite in suites:
        counts.update({name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")})
    passed = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    rest = "".join(f", {counts[name]} {name}" for name in ("errors", "skipped") if counts[name])
    print(f"\n{passed} passed, {counts['failures']} failed{rest}", flush=True)


def _exit_code(codes: Sequence[int]) -> int:
    """The first real failure; "no tests" only when no suite had any."""
    empty = int(pytest.ExitCode.NO_TESTS_COLLECTED)
    return next((code for code in codes if code not in (0, empty)), 0 if 0 in codes else empty)
