"""Reading the catalogue and the reservations."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from product_stub.catalog import lines
from product_stub.catalog.errors import ProductNotFound, ReservationNotFound
from product_stub.catalog.models import Product, Reservation
from product_stub.catalog.states import Status
from servicekit import rows


@dataclass(frozen=True)
class Page:
    """One page of products, in order of their ids, and how many there are in all."""

    products: Sequence[Product]
    total: int


@dataclass(frozen=True)
class Imbalance:
    """A product whose counters do not agree with its reservations."""

    product_id: int
    reserved: int
    held_in_reservations: int
    sold: int
    confirmed_in_reservations: int


def get_product(product_id: int) -> Product:
    try:
        return Product.objects.get(pk=product_id)
    except Product.DoesNotExist as problem:
        raise ProductNotFound(product_id) from problem


def products_by_id(product_ids: Iterable[int]) -> dict[int, Product]:
    return {product.pk: product for product in rows.find(Product, where={}, among={"id": set(product_ids)})}


def list_products(*, page: int, per_page: int) -> Page:
    """Page numbers start at 1; a page behind the last one is empty."""
    start = (page - 1) * per_page
    return Page(list(Product.objects.order_by("pk")[start : start + per_page]), Product.objects.count())


def find_reservation(reservation_id: str) -> Reservation | None:
    found = rows.find(Reservation, where={"uid": reservation_id}, among={})
    return found[0] if found else None


def get_reservation(reservation_id: str) -> Reservation:
    reservation = find_reservation(reservation_id)
    if reservation is None:
        raise ReservationNotFound
    return reservation


@transaction.atomic
def find_imbalances() -> list[Imbalance]:
    """Products of which reservations hold or have sold another number of units than the counters say.

    Reads every open or sold reservation. On SQLite nobody else writes meanwhile; on the other engines, run it while
    nobody does, or it may report a move that is just happening.
    """
    units: dict[str, Counter[int]] = {Status.HELD.value: Counter(), Status.CONFIRMED.value: Counter()}
    open_or_sold = Reservation.objects.filter(status__in=list(units)).order_by().values_list("status", "lines_text")
    for status, lines_text in open_or_sold.iterator():
        units[status].update({line.product_id: line.quantity for line in lines.load(lines_text)})
    held, confirmed = units[Status.HELD.value], units[Status.CONFIRMED.value]
    return [
        Imbalance(product.pk, product.reserved, held[product.pk], product.sold, confirmed[product.pk])
        for product in Product.objects.order_by("pk")
        if (product.reserved, product.sold) != (held[product.pk], confirmed[product.pk])
    ]
