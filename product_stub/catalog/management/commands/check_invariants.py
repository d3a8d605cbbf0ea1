"""`manage.py check_invariants`: whether every unit ever supplied is on the shelf, held or sold."""

from collections.abc import Sequence

from product_stub.catalog import auditing
from servicekit.auditing import CheckCommand
from servicekit.invariants import Pass


class Command(CheckCommand):
    def passes(self, quiet_for_s: float) -> Sequence[Pass]:
        return auditing.passes(quiet_for_s)
