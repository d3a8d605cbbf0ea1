"""The reservations as the check across the services compares them with the other books."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from product_stub.catalog.models import Reservation
from product_stub.catalog.ops.audit.invariants import quantities
from servicekit.invariants.snapshot import in_batches


def books(ids: Sequence[str] | None) -> Iterator[Mapping[str, Any]]:
    """Each reservation, or those with these ids."""
    reservations = Reservation.objects.all()
    if ids is not None:
        reservations = reservations.filter(uid__in=ids)
    for lines in in_batches(reservations, lambda some: [_line(reservation) for reservation in some]):
        yield from lines


def _line(reservation: Reservation) -> Mapping[str, Any]:
    units = quantities(reservation.lines_text)
    return {
        "id": reservation.uid,
        "status": reservation.status,
        "items": {str(product_id): quantity for product_id, quantity in units.items()} if units else {},
    }
