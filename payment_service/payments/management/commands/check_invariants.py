"""`manage.py check_invariants`: whether every payment agrees with its refunds, its events and the gateway's books."""

from collections.abc import Iterable, Sequence

from payment_service.payments.ops.audit import passes
from servicekit.invariants.checker import Pass, Waiting
from servicekit.invariants.commands import CheckCommand


class Command(CheckCommand):
    def passes(self, quiet_for_s: float) -> Sequence[Pass]:
        return passes.passes(quiet_for_s)

    def waiting(self) -> Iterable[Waiting]:
        return passes.waiting()
