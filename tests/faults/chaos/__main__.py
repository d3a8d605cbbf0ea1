"""`make chaos`: run a plan of a seed, or one that was kept; say what was violated, and by how few faults."""

import argparse
import secrets
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.faults.chaos import plan as plans
from tests.faults.chaos.plan import Plan
from tests.faults.chaos.running import Verdict, run
from tests.faults.chaos.shrinking import narrow

DESCRIPTION: Final = """\
Place, pay, cancel and refund orders on a stack of its own, with keys repeated, cards that fail and products that run
out, while its services and workers are killed (SIGKILL), frozen (SIGSTOP) and restarted, and what passes between them
is lost, cut, repeated and refused. Then stop the faults, wait until nothing is under way, check every invariant in each
service and across them, and compare with what each client was told.
The seed alone decides who does what when and what breaks when; it is printed first, and the plan is kept in a file.
API_AUTH=on in the environment: with keys asked for, and those of the services at each other."""
EPILOG: Final = """\
Exit status: 0 when everything holds, 1 when anything is violated.

examples:
  make chaos SEED=7 MINUTES=10
  API_AUTH=on make chaos MINUTES=10
  make chaos SEED=7 MINUTES=60 ARGS="--rate 28"                     100,000 orders
  python -m tests.faults.chaos --replay .chaos/7-smallest.json
  python -m tests.faults.chaos --minutes 0.5 --bug no_tombstone     to see that it can fail
"""
TELL_EVERY_S: Final = 5.0
# So many violations are printed.
SHOWN: Final = 30


def main() -> int:
    given = _arguments()
    plan = _plan(given)
    print(
        f"Seed {plan.seed}: {plan.seconds:.0f} s, {len(plan.customers)} customers, {len(plan.faults)} faults",
        flush=True,
    )
    kept = given.folder / f"{plan.seed}.json"
    plan.save(kept)
    print(f"The plan is in {kept}", flush=True)
    if given.plan_only:
        return 0
    verdict = _run(plan, given, given.folder / f"{plan.seed}-run")
    _report(verdict)
    if verdict.is_clean:
        return 0
    _narrow(plan, given)
    return 1


def _plan(given: argparse.Namespace) -> Plan:
    if given.replay is not None:
        return plans.load(given.replay)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    plan = plans.make(seed, seconds=given.minutes * 60, rate=given.rate, every_s=given.every)
    faults = [fault for fault in plan.faults if fault.kind not in given.without]
    return replace(plan, faults=tuple(faults))


def _run(plan: Plan, given: argparse.Namespace, folder: Path) -> Verdict:
    return run(plan, _Teller(), bugs=tuple(given.bug), folder=folder if given.keep else None)


def _report(verdict: Verdict) -> None:
    for name, counts in (("Requests", verdict.asked), ("Orders", verdict.orders), ("Faults", verdict.faults)):
        print(f"{name}: {counts.total()} ({', '.join(f'{count} {what}' for what, count in sorted(counts.items()))})")
    print(f"Quiet {verdict.quiet_after_s:.1f} s after the last fault")
    found = [*verdict.violations, *verdict.problems]
    for each in found[:SHOWN]:
        print(f"VIOLATION {each}")
    if len(found) > SHOWN:
        print(f"... and {len(found) - SHOWN} more")
    print("Every invariant holds, and whatever was answered is so." if verdict.is_clean else "FAILED", flush=True)


def _narrow(plan: Plan, given: argparse.Namespace) -> None:
    """Say how few of the faults are enough, and keep that plan."""
    deadline = time.monotonic() + given.narrow_for * 60
    if time.monotonic() >= deadline:
        return
    print(f"\nNarrowing, for {given.narrow_for:g} minutes at most", flush=True)

    def fails(smaller: Plan) -> bool:
        verdict = _run(smaller, given, given.folder / f"{plan.seed}-shrinking")
        print(f"  {len(smaller.faults)} faults: {'passes' if verdict.is_clean else 'fails'}", flush=True)
        return not verdict.is_clean

    smallest = narrow(plan, fails, may_go_on=lambda: time.monotonic() < deadline)
    kept = given.folder / f"{plan.seed}-smallest.json"
    smallest.save(kept)
    print(f"\nStill failing with {len(smallest.faults)} of {len(plan.faults)} faults, in {kept}:")
    for fault in smallest.faults:
        print(f"  {fault}")


class _Teller:
    """Writes now and then: on a terminal over the last line, elsewhere seldom."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, line: str) -> None:
        is_terminal = sys.stdout.isatty()
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (0.2 if is_terminal else TELL_EVERY_S)
        print(f"\r\033[K{line}" if is_terminal else line, end="" if is_terminal else "\n", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.chaos",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, metavar="NUMBER", help="what decides everything (default: a random one)")
    parser.add_argument("--minutes", type=float, default=2.0, help="for how long (default %(default)s)")
    parser.add_argument("--rate", type=float, default=plans.RATE, help="customers in a second (default %(default)s)")
    parser.add_argument("--every", type=float, default=1.5, help="seconds between two faults (default %(default)s)")
    parser.add_argument("--without", action="append", default=[], metavar="KIND", help="no faults of this kind")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run this plan")
    parser.add_argument("--plan-only", action="store_true", help="write the plan and end")
    parser.add_argument("--bug", action="append", default=[], metavar="NAME", help="wake up a planted bug")
    parser.add_argument(
        "--narrow-for", type=float, default=10.0, metavar="MINUTES", help="0: not (default %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep databases and logs in the folder")
    parser.add_argument(
        "--folder", type=Path, default=Path(".chaos"), help="where plans are kept (default %(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
