"""`manage.py check_invariants`: whether every unit ever supplied is on the shelf, held or sold."""

from collections.abc import Sequence

from product_stub.catalog.ops.audit import invariants
from servicekit.invariants.checker import Pass
from servicekit.invariants.commands import CheckCommand


class Command(CheckCommand):
    def passes(self, quiet_for_s: float) -> Sequence[Pass]:
        return invariants.passes(quiet_for_s)
