"""`manage.py check_invariants`: whether every order agrees with its lines and its events, nothing is undone."""

from collections.abc import Sequence

from order_service.orders import auditing
from servicekit.auditing import CheckCommand
from servicekit.invariants import Pass


class Command(CheckCommand):
    def passes(self, quiet_for_s: float) -> Sequence[Pass]:
        return auditing.passes(quiet_for_s)
