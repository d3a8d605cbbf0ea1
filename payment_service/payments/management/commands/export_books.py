"""`manage.py export_books`: the payments, for the check across all services."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from payment_service.payments.ops.audit.export import books
from servicekit.invariants.commands import BooksCommand


class Command(BooksCommand):
    def books(self, ids: Sequence[str] | None) -> Iterable[Mapping[str, Any]]:
        return books(ids)
