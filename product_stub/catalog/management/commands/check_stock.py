"""`manage.py check_stock`: whether every unit ever supplied is on the shelf, held or sold."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from product_stub.catalog import selectors


class Command(BaseCommand):
    help = (
        "Count the units in all reservations and compare them with the products' counters. Ends with status 1 when "
        "they differ. On SQLite it keeps writers waiting while it reads; elsewhere run it when nothing is being sold."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found = selectors.find_imbalances()
        for imbalance in found:
            self.stderr.write(
                f"product {imbalance.product_id}: {imbalance.reserved} reserved, but reservations hold "
                f"{imbalance.held_in_reservations}; {imbalance.sold} sold, but reservations sold "
                f"{imbalance.confirmed_in_reservations}"
            )
        if found:
            raise CommandError(f"{len(found)} products do not add up")
        self.stdout.write("Every unit is accounted for.")
