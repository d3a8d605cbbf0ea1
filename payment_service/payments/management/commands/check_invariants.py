"""`manage.py check_invariants`: whether every payment agrees with its refunds, its events and the gateway's books."""

from collections.abc import Iterable, Sequence

from payment_service.payments.models import Payment
from payment_service.payments.ops.audit.passes import passes
from servicekit.invariants.checker import Pass, Waiting
from servicekit.invariants.commands import CheckCommand


class Command(CheckCommand):
    def passes(self, quiet_for_s: float) -> Sequence[Pass]:
        return passes(quiet_for_s)

    def waiting(self) -> Iterable[Waiting]:
        """What a gateway refuses for good; it may be money of an order that is cancelled."""
        if count := Payment.objects.filter(blocked_at__isnull=False).count():
            yield Waiting("blocked payments", count, "manage.py blocked_payments lists them")
