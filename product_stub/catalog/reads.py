"""Reading the catalogue and the reservations."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from itertools import takewhile
from typing import NamedTuple

from product_stub.catalog.errors import ProductNotFound, ReservationNotFound
from product_stub.catalog.models import Product, Reservation
from servicekit.db import fast_sql
from servicekit.web import paging
from servicekit.web.paging import Listed, Place


class Offer(NamedTuple):
    """What an order wants to know of a product."""

    id: int
    name: str
    price: Decimal
    stock: int


def get_product(product_id: int) -> Product:
    try:
        return Product.objects.get(pk=product_id)
    except Product.DoesNotExist as problem:
        raise ProductNotFound(product_id) from problem


def offers_by_id(product_ids: Iterable[int]) -> dict[int, Offer]:
    found = fast_sql.find_values(Product, Offer._fields, where={}, among={"id": set(product_ids)})
    return {offer.id: offer for offer in map(Offer._make, found)}


def list_products(place: Place) -> Listed[Product]:
    """One page of the catalogue, in order of the ids; a page behind the last one is empty."""
    return paging.page_of(Product.objects.all(), place, newest_first=False)


def find_reservation(reservation_id: str) -> Reservation | None:
    found = fast_sql.find(Reservation, where={"uid": reservation_id}, among={})
    return found[0] if found else None


def find_reservations(reservation_ids: Collection[str]) -> list[Reservation]:
    """Those of these that there are, in no order."""
    return fast_sql.find(Reservation, where={}, among={"uid": reservation_ids})


def reservations_after(number: int, *, older_than: datetime, limit: int) -> list[tuple[int, str, str]]:
    """Number, id and status of the reservations that come after this one, up to the first that is younger."""
    found = Reservation.objects.filter(pk__gt=number).order_by("pk").values_list("pk", "uid", "status", "created_at")
    return [(pk, uid, status) for pk, uid, status, _ in takewhile(lambda row: row[3] <= older_than, found[:limit])]


def get_reservation(reservation_id: str) -> Reservation:
    reservation = find_reservation(reservation_id)
    if reservation is None:
        raise ReservationNotFound
    return reservation
