"""`manage.py blocked_payments`: what a gateway refuses for good, and what a person does about it."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payment_service.payments import reads
from payment_service.payments.models import Payment
from payment_service.payments.writes import blocking
from servicekit import exactjson
from servicekit.errors import ServiceError


class Command(BaseCommand):
    help = (
        "Lists the payments whose gateway refuses for good what is wanted of them: no worker tries it again. Has one "
        "taken up again, by the worker, or counts it as settled by hand, with a reason that is kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--take-up", type=int, metavar="PAYMENT_ID", help="try it again")
        what.add_argument("--settle", type=int, metavar="PAYMENT_ID", help="the money is back some other way")
        parser.add_argument("--reason", default="", help="with --settle: what was done instead")

    def handle(self, *_: Any, take_up: int | None, settle: int | None, reason: str, **__: Any) -> None:
        try:
            if take_up is not None:
                payment = blocking.take_up(reads.payment_by_number(take_up), by=_who())
                self.stdout.write(f"{payment.reference} is tried again")
            elif settle is not None:
                blocked = reads.payment_by_number(settle)
                payment = blocking.settle_by_hand(blocked, reason=reason, by=_who())
                self.stdout.write(f"{payment.reference} is settled: {payment.status}")
            else:
                self._list()
        except ServiceError as refusal:
            raise CommandError(refusal.message) from refusal

    def _list(self) -> None:
        for payment in Payment.objects.filter(blocked_at__isnull=False).order_by("blocked_at"):
            since = exactjson.utc_text(payment.blocked_at)
            self.stdout.write(
                f"{payment.number} {payment.reference} order {payment.order_id}: {payment.blocked} of "
                f"{payment.refundable or payment.amount} {payment.currency} since {since}: {payment.blocked_reason}"
            )


def _who() -> str:
    """The name under which it is run, where the system has one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
