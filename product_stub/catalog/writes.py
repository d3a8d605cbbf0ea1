"""Writing the catalogue: what is reserved, sold, returned, added.

Every move is one short transaction that first takes the reservation's row and then its products' rows, these in
the order of their ids, so that two moves never wait for each other in a circle. What decides is the row count of a
conditional UPDATE; whatever was read before is only a hint, and is read again when it turned out to be old.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog
from django.db import IntegrityError, connection
from django.db.models import F
from django.utils import timezone

from product_stub.catalog import lines, reads
from product_stub.catalog.errors import (
    LineNotFound,
    OutOfStock,
    ReservationConfirmed,
    ReservationItemsDiffer,
    ReservationNotFound,
    ReservationReleased,
    StockLimitReached,
)
from product_stub.catalog.lines import Line
from product_stub.catalog.models import MAX_SUPPLIED, Product, Reservation, Restock
from product_stub.catalog.reads import Offer
from product_stub.catalog.states import COUNTER, Status, may_move
from servicekit.db import fast_sql
from servicekit.db.transactions import in_one_transaction
from servicekit.errors import ServiceError, StaleRow

log = structlog.get_logger()

_EVENTS: Final[Mapping[Status, str]] = {
    Status.HELD: "reservation.held",
    Status.CONFIRMED: "reservation.confirmed",
    Status.RELEASED: "reservation.released",
}
# Plain SQL that every engine reads alike.
_SHIFT: Final = (
    "UPDATE catalog_product SET {source} = {source} - %s, {target} = {target} + %s WHERE id = %s AND {source} >= %s"
)


@dataclass(frozen=True)
class Held:
    """A reservation, and whether this very call made it."""

    reservation: Reservation
    is_new: bool


class _IdTaken(Exception):
    """Another request stored this id since it was looked for."""


class _TooFewLeft(Exception):
    """Another request took the stock since it was read."""


def reserve(reservation_id: str, *, wanted: Mapping[int, int]) -> Held:
    """Hold stock under the caller's id: all of it or nothing. Safe to repeat.

    Args:
        wanted: Quantity by product id; its order decides which bad line is named, and the order of the answer.

    Raises:
        LineNotFound, OutOfStock: the first bad line says which; nothing is stored, and the id can be used again.
        ReservationItemsDiffer: the id holds other items.
        ReservationReleased: the id was released, perhaps before it was ever used.
    """
    while True:
        offers = reads.offers_by_id(wanted)
        found = [
            Line(product_id, offer.name, offer.price, quantity)
            for product_id, quantity in wanted.items()
            if (offer := offers.get(product_id)) is not None
        ]
        refusal = _refusal(wanted, offers, found)
        try:
            if refusal is None:
                return Held(_hold(reservation_id, found), is_new=True)
        except _TooFewLeft:
            continue
        except _IdTaken:
            return Held(_find_again(reservation_id, wanted), is_new=False)
        if reads.find_reservation(reservation_id) is None:
            raise refusal
        return Held(_find_again(reservation_id, wanted), is_new=False)


def confirm(reservation_id: str) -> Reservation:
    """The held stock is sold. Safe to repeat.

    Raises:
        ReservationNotFound, ReservationReleased.
    """
    while True:
        reservation = reads.get_reservation(reservation_id)
        if reservation.status == Status.RELEASED:
            raise ReservationReleased
        if reservation.status == Status.CONFIRMED or _move([reservation], to=Status.CONFIRMED):
            return reservation


def confirm_all(reservation_ids: Collection[str]) -> Mapping[str, Reservation | ServiceError]:
    """The held stock of each of these is sold: id → the reservation, or why that one is not. Safe to repeat.

    One transaction for all of them; where somebody else moves one meanwhile, each by itself.
    """
    found = {reservation.uid: reservation for reservation in reads.find_reservations(reservation_ids)}
    held = [reservation for reservation in found.values() if reservation.status == Status.HELD]
    if held and not _move(held, to=Status.CONFIRMED):
        return {reservation_id: _confirm_or_say_why(reservation_id) for reservation_id in reservation_ids}
    answers: dict[str, Reservation | ServiceError] = {}
    for reservation_id in reservation_ids:
        reservation = found.get(reservation_id)
        if reservation is None:
            answers[reservation_id] = ReservationNotFound()
        elif reservation.status == Status.RELEASED:
            answers[reservation_id] = ReservationReleased()
        else:
            answers[reservation_id] = reservation
    return answers


def release(
    reservation_id: str, *, return_sold: bool, check: Callable[[Reservation], None] = lambda _reservation: None
) -> None:
    """Put the stock back, once however often this is called; an unknown id leaves a tombstone that refuses it later.

    Args:
        return_sold: Whether the goods of a confirmed reservation have come back.
        check: Is given what is about to be released, in no transaction; raises what stands against it.

    Raises:
        ReservationConfirmed: it is sold, and `return_sold` is not set.
    """
    while True:
        reservation = reads.find_reservation(reservation_id)
        if reservation is None:
            if _bury(reservation_id):
                return
            continue
        if reservation.status == Status.CONFIRMED and not return_sold:
            raise ReservationConfirmed
        if reservation.status == Status.RELEASED:
            return
        check(reservation)
        if _move([reservation], to=Status.RELEASED):
            return


def is_held(reservation_id: str) -> bool:
    reservation = reads.find_reservation(reservation_id)
    return reservation is not None and reservation.status == Status.HELD


def expire(reservation_id: str) -> bool:
    """Put back what is held and no more than that; whether this call did."""
    reservation = reads.get_reservation(reservation_id)
    if reservation.status != Status.HELD or not _move([reservation], to=Status.RELEASED):
        return False
    log.info("reservation.expired", reservation_id=reservation_id)
    return True


def create_product(uid: uuid.UUID, *, name: str, price: Decimal, stock: int) -> Product:
    """Add a product to the catalogue. Safe to repeat with the same `uid`."""
    create = in_one_transaction(Product.objects.create)
    try:
        product = create(uid=uid, name=name, price=price, stock=stock, supplied=stock)
    except IntegrityError:
        return Product.objects.get(uid=uid)
    log.info("product.created", product_id=product.pk, stock=stock)
    return product


def restock(product_id: int, *, uid: uuid.UUID, quantity: int) -> Product:
    """Add units to a product. Safe to repeat with the same `uid`.

    Raises:
        ProductNotFound.
        StockLimitReached: a product never has more than `MAX_SUPPLIED` units, sold ones included.
    """
    reads.get_product(product_id)
    try:
        _supply(product_id, uid=uid, quantity=quantity)
    except IntegrityError:
        return Restock.objects.select_related("product").get(uid=uid).product
    log.info("product.restocked", product_id=product_id, quantity=quantity)
    return reads.get_product(product_id)


def _refusal(
    wanted: Mapping[int, int], offers: Mapping[int, Offer], found: Sequence[Line]
) -> LineNotFound | OutOfStock | None:
    """Why these lines cannot be held: the first bad one in the order they were asked for."""
    for product_id, quantity in wanted.items():
        offer = offers.get(product_id)
        if offer is None:
            return LineNotFound(product_id, found=found)
        if offer.stock < quantity:
            return OutOfStock(product_id, found=found)
    return None


def _hold(reservation_id: str, held: Sequence[Line]) -> Reservation:
    reservation = Reservation(uid=reservation_id, status=Status.HELD.value, lines_text=lines.dump(held))
    _write_hold(reservation, held)
    log.debug(_EVENTS[Status.HELD], reservation_id=reservation_id)
    return reservation


@in_one_transaction
def _write_hold(reservation: Reservation, held: Sequence[Line]) -> None:
    try:
        fast_sql.insert(reservation)
    except IntegrityError as problem:
        raise _IdTaken from problem
    _shift(held, source=COUNTER[Status.RELEASED], target=COUNTER[Status.HELD])


def _find_again(reservation_id: str, wanted: Mapping[int, int]) -> Reservation:
    """The reservation that a repeated request has made before."""
    reservation = reads.get_reservation(reservation_id)
    if reservation.status == Status.RELEASED:
        raise ReservationReleased
    if {line.product_id: line.quantity for line in reservation.lines} != dict(wanted):
        raise ReservationItemsDiffer
    return reservation


def _move(moved: Sequence[Reservation], *, to: Status) -> bool:
    """Take reservations of one status to their next one, and their units with them.

    False: one of them is no longer as it was read, and all are left where they are.
    """
    seen, now = Status(moved[0].status), timezone.now()
    if not may_move(seen, to):
        raise ValueError(f"no way from {seen} to {to}")
    try:
        _write_move(moved, seen, to, now)
    except StaleRow:
        return False
    for reservation in moved:
        reservation.status, reservation.updated_at = to.value, now
        log.debug(_EVENTS[to], reservation_id=reservation.uid)
    return True


def _confirm_or_say_why(reservation_id: str) -> Reservation | ServiceError:
    try:
        return confirm(reservation_id)
    except (ReservationNotFound, ReservationReleased) as refusal:
        return refusal


@in_one_transaction
def _write_move(moved: Sequence[Reservation], seen: Status, to: Status, now: datetime) -> None:
    numbers, written = [reservation.pk for reservation in moved], {"status": to.value, "updated_at": now}
    as_read = {"status": seen.value}
    if fast_sql.compare_and_set(Reservation, where=as_read, among={"number": numbers}, written=written) != len(moved):
        raise StaleRow("reservation")
    units = [line for reservation in moved for line in reservation.lines]
    _shift(units, source=COUNTER[seen], target=COUNTER[to])


def _shift(moved: Sequence[Line], *, source: str, target: str) -> None:
    """Take the lines' units from one counter of their products to another: each product once, in order of the ids.

    By hand, because this runs twice for each line of each order: with the ORM, which writes the statement anew each
    time, holding and confirming take twice as long. `source` and `target` are names from the table of states.
    """
    units: dict[int, int] = {}
    for line in moved:
        units[line.product_id] = units.get(line.product_id, 0) + line.quantity
    parameters = [(units[product], units[product], product, units[product]) for product in sorted(units)]
    with connection.cursor() as cursor:
        cursor.executemany(_SHIFT.format(source=source, target=target), parameters)
        if cursor.rowcount != len(parameters):
            raise _TooFewLeft


def _bury(reservation_id: str) -> bool:
    """Leave a tombstone. False: somebody else used the id meanwhile."""
    bury = in_one_transaction(Reservation.objects.create)
    try:
        bury(uid=reservation_id, status=Status.RELEASED.value, lines_text=lines.dump([]))
    except IntegrityError:
        return False
    log.debug(_EVENTS[Status.RELEASED], reservation_id=reservation_id)
    return True


@in_one_transaction
def _supply(product_id: int, *, uid: uuid.UUID, quantity: int) -> None:
    Restock.objects.create(uid=uid, product_id=product_id, quantity=quantity)
    room = Product.objects.filter(pk=product_id, supplied__lte=MAX_SUPPLIED - quantity)
    if not room.update(stock=F("stock") + quantity, supplied=F("supplied") + quantity):
        raise StockLimitReached(product_id, limit=MAX_SUPPLIED)
