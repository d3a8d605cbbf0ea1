"""Which faults does it take? Runs a plan that failed again with fewer and fewer of them, as long as it still fails.

Delta debugging (Zeller's ddmin): whole kinds first, then halves, quarters and so on. What fails only now and then may
pass by chance on the way, so what comes out is small, not smallest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tests.faults.chaos.plan import Fault, Plan

Fails = Callable[[Plan], bool]


def narrow(plan: Plan, fails: Fails, *, may_go_on: Callable[[], bool]) -> Plan:
    """The plan with as few of its faults as were seen to be enough. `fails` runs one; it is asked while `may_go_on`."""
    faults = list(plan.faults)
    if not faults or not may_go_on():
        return plan
    if fails(replace(plan, faults=())):
        return replace(plan, faults=())
    for kind in sorted({fault.kind for fault in faults}):
        fewer = [fault for fault in faults if fault.kind != kind]
        if fewer and may_go_on() and fails(replace(plan, faults=tuple(fewer))):
            faults = fewer
    parts = 2
    while len(faults) > 1 and may_go_on():
        smaller = next(
            (each for each in _candidates(faults, parts) if may_go_on() and fails(replace(plan, faults=tuple(each)))),
            None,
        )
        if smaller is not None:
            parts = max(2, parts - 1) if len(smaller) > len(faults) // 2 else 2
            faults = smaller
        elif parts >= len(faults):
            break
        else:
            parts = min(len(faults), parts * 2)
    return replace(plan, faults=tuple(faults))


def _candidates(faults: Sequence[Fault], parts: int) -> Iterator[list[Fault]]:
    """Each part alone, then all but each part."""
    size = -(-len(faults) // parts)
    pieces = [list(faults[start : start + size]) for start in range(0, len(faults), size)]
    yield from pieces
    if len(pieces) > 2:
        for left_out in range(len(pieces)):
            yield [fault for number, piece in enumerate(pieces) if number != left_out for fault in piece]
