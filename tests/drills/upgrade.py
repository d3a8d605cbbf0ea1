"""`make drill-upgrade`: the previous release becomes this one under load, process by process, and no request fails.

The previous release is the newest tag, or else the commit before the last that touched a migration; PREVIOUS=... names
another one. Its processes run from its own files, with this .venv, on databases that its own migrations made. This
release's migrations run first. Then one process after another is replaced: the new one starts on the same port, and
once it is ready the old one is asked to end.

Writes docs/drill-upgrade.md. Ends with 1 where a request failed, an order was lost, or the audit found anything.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from tests import databases, undertaker
from tests import stack as stacks
from tests.client import Http
from tests.drills import books, pages
from tests.drills.shopping import Shoppers
from tests.stack import ROOT, SERVICES, Process, Running, Service, Stack, free_ports, wait_until

PAGE: Final = ROOT / "docs" / "drill-upgrade.md"
CLIENTS: Final = 4
PAUSE_S: Final = 0.1
# Before the first step, and after each.
BETWEEN_S: Final = 5.0
# How long an old process goes on answering after it was asked to end.
DRAIN_S: Final = 2
SETTINGS: Final[Mapping[str, str]] = {
    "GATEWAY_SUCCESS_RATE": "1",
    "GATEWAY_DELAY_MS": "1",
    "DRAIN_S": str(DRAIN_S),
}


@dataclass
class Result:
    """What the clients saw, step by step, and what was left."""

    previous: str
    engine: str
    steps: list[tuple[str, int, int]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    placed: int = 0
    lost: set[str] = field(default_factory=set)
    unpaid: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return bool(self.placed) and not (self.failures or self.lost or self.unpaid or self.violations)


def main() -> int:
    given = _arguments()
    try:
        commit = commit_of(given.previous)
    except subprocess.CalledProcessError as problem:
        print(
            f"There is no such commit: {given.previous or 'of a previous release'}. {problem.stderr}", file=sys.stderr
        )
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        previous = folder / "previous"
        _unpack(commit, previous)
        result = _drill(previous, folder / "run", Result(_named(commit), databases.ENGINE), seed=given.seed)
    words = "no request failed" if result.is_right else f"WRONG: {result}"
    print(f"{result.engine}, from {result.previous}: {result.placed} orders, {words}", flush=True)
    pages.write(PAGE, _TEXT.format(clients=CLIENTS, drain=DRAIN_S), table(result))
    return 0 if result.is_right else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make drill-upgrade",
        description=__doc__,
        epilog="make drill-upgrade PREVIOUS=8fdbc3a DB=postgres",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--previous", default="", metavar="COMMIT", help="what is upgraded from: a tag or a commit")
    parser.add_argument("--seed", type=int, default=7, help="of what the clients do (default %(default)s)")
    return parser.parse_args()


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def commit_of(asked: str) -> str:
    """The full name of the previous release.

    Raises:
        subprocess.CalledProcessError: there is none, or this is no git checkout.
    """
    if not asked:
        tags = _git("tag", "--sort=-creatordate", "--merged", "HEAD^").splitlines()
        asked = tags[0] if tags else _git("log", "-1", "--format=%H", "--", "*/migrations/*.py") + "^"
    return _git("rev-parse", "--verify", "--end-of-options", f"{asked}^{{commit}}")


def _named(commit: str) -> str:
    return _git("log", "-1", "--format=%h of %cs", commit)


def _unpack(commit: str, folder: Path) -> None:
    """All files of a commit, in a folder of their own."""
    folder.mkdir()
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)


def _drill(previous: Path, folder: Path, result: Result, *, seed: int) -> Result:
    folder.mkdir()
    stack = Stack(folder, settings=dict.fromkeys(SERVICES, SETTINGS), closed=False)
    with ExitStack() as ending:
        for service in stack.services.values():
            ending.callback(service.db.drop)
            service.db.create()
        ending.callback(stack.stop)
        for service in stack.services.values():
            _run_from(service, previous)
            _migrate(service, previous)
        stack.start()
        for name in SERVICES:
            stack.start_worker(name)
        urls = stack.services["order_service"].url, stack.services["payment_service"].url
        with Shoppers(*urls, clients=CLIENTS, seed=seed, pause_s=PAUSE_S) as shop:
            _step(result, shop, "the previous release")
            _upgrade(stack, result, shop)
        result.answered, result.failures, result.placed = shop.answered, shop.failures, len(shop.placed)
        books.wait_until_quiet(stack)
        statuses = dict(books.statuses(stack, "order_service"))
        result.lost = shop.placed - set(statuses)
        result.unpaid = {order_id for order_id in shop.paid if statuses.get(order_id) != "PAID"}
        across, own = books.audit(stack, folder)
        result.violations = [*map(str, across), *own]
    return result


def _upgrade(stack: Stack, result: Result, shop: Shoppers) -> None:
    for service in stack.services.values():
        _migrate(service, ROOT)
    _step(result, shop, "the migrations of this one have run")
    for name in SERVICES:
        _replace_server(stack, name)
        _step(result, shop, f"{name} is replaced")
    for number, old in enumerate(list(stack.workers)):
        name = old.name.partition(" ")[0]
        new = stack.start_worker(name)
        stack.workers.remove(new)
        stack.workers[number] = new
        old.stop()
    _step(result, shop, "the workers are replaced")


def _replace_server(stack: Stack, name: str) -> None:
    """The new one takes its place beside the old one, which then ends; whoever connects meanwhile gets either."""
    old = stack.services[name]
    (watched,) = free_ports(1)
    settings = {**old.environment, "PYTHONPATH": str(ROOT), "HEALTH_PORT": str(watched)}
    new = Service(name, old.port, database=old.database, environment=settings, number=1)
    new.begin = stacks.begin_from_nothing
    stack.servers[name].insert(0, new)
    stack.services[name] = new
    new.start()
    health = Http(f"http://127.0.0.1:{watched}")
    wait_until(lambda: health.is_healthy() or not new.is_running, what=f"the new {name} is ready")
    old.stop()
    stack.servers[name].remove(old)
    if not new.is_running:
        raise RuntimeError(f"the new {name} ended:\n{new.log_text(lines=stacks.SHOWN_LINES)}")


def _step(result: Result, shop: Shoppers, what: str) -> None:
    time.sleep(BETWEEN_S)
    requests = sum(count for _, count, _ in result.steps)
    failures = sum(count for *_, count in result.steps)
    result.steps.append((what, shop.requests - requests, len(shop.failures) - failures))


def _run_from(process: Process, folder: Path) -> None:
    """Have it start from the files of another release."""

    def begin(started: Process) -> Running:
        with started.log.open("ab") as output:
            begun = subprocess.Popen(
                [started.command[0], *(part.replace(str(ROOT), str(folder)) for part in started.command[1:])],
                env={**started.environment, "PYTHONPATH": str(folder)},
                cwd=folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        undertaker.watch(begun.pid)
        return begun

    process.begin = begin


def _migrate(service: Service, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(folder / service.name / "manage.py"), "migrate", "--verbosity=0"],
        env={**service.environment, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{service.name} cannot be migrated: {done.stderr}")


_TEXT: Final = """\
# The upgrade drill

Made by `make drill-upgrade`, not by hand: `DB=postgres` and `DB=mysql` for the other engines, `PREVIOUS=` for another
release. The previous release runs from its own files on databases that its own migrations made. {clients} clients buy,
pay later, cancel, read and are declined. The migrations of this release run first. Then its processes take the place of
the old ones, one after another, on the same port: a new one starts, and once it is ready the old one gets SIGTERM and
goes on for {drain} s (`DRAIN_S`). No client repeats a request. At the end the audit is asked (`--no-strangers
--quiet-for 0`), and each order whether it is what its client was told.
"""
_TABLE: Final = """\
{when} UTC: **{requests} requests, {failures} failed; {placed} orders, {lost} lost; {unpaid} told paid that are not;
{violations} violations.** The previous release was {previous}.

| Until | Requests | Failed |
|---|---|---|
{steps}

| Request | Answered as it should be |
|---|---|
{kinds}
{failed}"""


def table(result: Result) -> str:
    """What this run found, for the page."""
    failed = "".join(f"\n- {each}" for each in result.failures[:20])
    return _TABLE.format(
        previous=result.previous,
        when=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M}",
        requests=sum(result.answered.values()) + len(result.failures),
        failures=len(result.failures),
        placed=result.placed,
        lost=len(result.lost),
        violations=len(result.violations),
        unpaid=len(result.unpaid),
        steps="\n".join(f"| {what} | {requests} | {failures} |" for what, requests, failures in result.steps),
        kinds="\n".join(f"| {kind} | {count} |" for kind, count in sorted(result.answered.items())),
        failed=f"\nWhat failed:\n{failed}\n" if failed else "",
    )


if __name__ == "__main__":
    sys.exit(main())
