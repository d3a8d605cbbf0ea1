"""`manage.py check_invariants`: whether every payment agrees with its refunds, its events and the gateway's books."""

from collections.abc import Sequence

from payment_service.payments.auditing.passes import passes
from servicekit.auditing import CheckCommand
from servicekit.invariants import Pass


class Command(CheckCommand):
    def passes(self, quiet_for_s: float) -> Sequence[Pass]:
        return passes(quiet_for_s)
