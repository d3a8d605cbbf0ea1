"""`manage.py check_invariants`: whether every order agrees with its lines and its events, nothing is undone."""

from collections.abc import Sequence

from order_service.orders.ops.audit import invariants
from servicekit.invariants.checker import Pass
from servicekit.invariants.commands import CheckCommand


class Command(CheckCommand):
    def passes(self, quiet_for_s: float) -> Sequence[Pass]:
        return invariants.passes(quiet_for_s)
