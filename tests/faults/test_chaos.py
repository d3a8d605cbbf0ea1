"""The soak by itself: its plan comes from the seed alone, it can be kept and narrowed, and a short one is clean."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

import nightly
from tests.faults.chaos import plan as plans
from tests.faults.chaos.plan import Fault, Plan
from tests.faults.chaos.running import run
from tests.faults.chaos.shrinking import narrow

IS_LONG: Final = nightly.IS_NIGHT
SEED: Final = 2
SECONDS: Final = 300.0 if IS_LONG else 12.0


def a_plan(seed: int = SEED) -> Plan:
    return plans.make(seed, seconds=SECONDS, rate=8.0, every_s=0.8)


def test_a_short_soak_of_a_fixed_seed_is_clean(migrated: Path, result_log: Callable[..., None]) -> None:
    """Kills, freezes and restarts under customers: then nothing is violated, and whatever was answered is so."""
    plan = a_plan()
    verdict = run(plan, migrated=migrated)
    assert (verdict.violations, verdict.problems) == ([], [])
    assert verdict.orders.total() == len(plan.customers)
    assert set(verdict.orders) >= {"PAID", "CANCELLED"}
    result_log(
        "Random soak: processes killed, frozen and restarted, and their links broken, under load",
        injected=", ".join(f"{count} x {what}" for what, count in sorted(verdict.faults.items())),
        times=verdict.faults.total(),
        checks=f"all invariants across the services; {verdict.asked.total()} requests of {len(plan.customers)} "
        f"customers remembered and compared; quiet after {verdict.quiet_after_s:.0f} s",
        numbers=(4, 9, 34),
        seed=plan.seed,
    )


if IS_LONG:  # the planted bugs are caught one by one elsewhere

    def test_a_soak_with_a_planted_bug_fails(migrated: Path) -> None:
        """What it finds is there to be found."""
        assert not run(a_plan(), bugs=("money_kept",), migrated=migrated).is_clean


def test_the_seed_alone_makes_the_plan() -> None:
    """The same seed, the same customers and faults to the millisecond; another one, others."""
    assert a_plan(7) == a_plan(7)
    assert a_plan(7).faults != a_plan(8).faults
    assert a_plan(7).customers != a_plan(8).customers


def test_other_faults_leave_the_customers_alone() -> None:
    """So that a plan that is run with other faults is still the same plan."""
    rare = plans.make(7, seconds=SECONDS, rate=8.0, every_s=5.0)
    assert rare.customers == a_plan(7).customers
    assert rare.faults != a_plan(7).faults


def test_a_plan_that_is_kept_can_be_run_again(tmp_path: Path) -> None:
    """Nothing of it is lost in its file."""
    a_plan().save(tmp_path / "plan.json")
    assert plans.load(tmp_path / "plan.json") == a_plan()


def test_a_process_suffers_one_fault_at_a_time() -> None:
    """What is down is not stopped again."""
    by_target: dict[str, list[Fault]] = {}
    for fault in a_plan().faults:
        by_target.setdefault(fault.target, []).append(fault)
    for faults in by_target.values():
        for earlier, later in pairwise(faults):
            assert earlier.at_s + earlier.for_s < later.at_s


@pytest.mark.parametrize("wanted", [(3,), (3, 17), (0, 9, 19)], ids=str)
def test_narrowing_finds_the_faults_that_it_takes(wanted: tuple[int, ...]) -> None:
    """Of twenty faults, those without which it does not fail."""
    faults = tuple(Fault(float(n), ("kill", "freeze")[n % 2], "order_service", 1.0) for n in range(20))
    needed = {faults[n] for n in wanted}
    plan = replace(a_plan(), faults=faults)
    smallest = narrow(plan, lambda smaller: needed <= set(smaller.faults), may_go_on=lambda: True)
    assert smallest == replace(plan, faults=tuple(faults[n] for n in wanted))


def test_narrowing_ends_when_its_time_is_up() -> None:
    """What was found by then is what comes out."""
    faults = tuple(Fault(float(n), "kill", "order_service", 1.0) for n in range(20))
    plan = replace(a_plan(), faults=faults)
    left = iter([True, True, True])
    smallest = narrow(plan, lambda smaller: faults[3] in smaller.faults, may_go_on=lambda: next(left, False))
    assert faults[3] in smallest.faults
    assert len(smallest.faults) < len(faults)


def test_what_fails_without_any_fault_needs_none() -> None:
    """The first thing that is tried."""
    smallest = narrow(a_plan(), lambda _: True, may_go_on=lambda: True)
    assert smallest.faults == ()
