"""Checking the stub's books against themselves: the products' counters with the reservations and the restocks."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from django.db.models import Sum

from product_stub.catalog import lines
from product_stub.catalog.models import Product, Reservation, Restock
from product_stub.catalog.states import COUNTER, Status
from servicekit import exactjson
from servicekit.idempotency.invariants import Named, key_pass
from servicekit.invariants.checker import Batch, Finding, Invariant, Pass
from servicekit.invariants.snapshot import check_in_batches, snapshot

NO_UNIT_LOST: Final = Invariant(
    "I4",
    "no_unit_is_lost",
    "Of each product, stock + reserved + sold is what was ever supplied, and none of them is below zero.",
    "The counters were changed past the service: count the shelf, and look for SQL by hand.",
)
COUNTERS_FOLLOW: Final = Invariant(
    "I4",
    "counters_follow_the_reservations",
    "What a product has reserved and sold is what its reservations hold and have sold, each counted once.",
    "Units were taken or given back twice, or a reservation was lost: compare the reservations with the orders "
    "(make audit) before selling more of this product.",
)
LINES_MAKE_SENSE: Final = Invariant(
    "I4",
    "reservations_can_be_read",
    "Every reservation says of which products it holds how many, and these products are there.",
    "A reservation's row was changed by hand: its units cannot be given back by the service any more.",
)


def passes(_quiet_for_s: float) -> Sequence[Pass]:
    """In the order in which they are reported. Nothing in here waits for a worker."""
    return (
        Pass("products", (NO_UNIT_LOST, COUNTERS_FOLLOW), check_products),
        Pass(
            "reservations",
            (LINES_MAKE_SENSE,),
            lambda: check_in_batches(Reservation.objects.all(), _check_reservations),
            is_needed=True,
        ),
        key_pass(_named, {"product": _products}),
    )


def check_products() -> Iterator[Batch]:
    """All at once, in one snapshot: a reservation can move any of them. Keeps two numbers for each product."""
    with snapshot():
        counted = _units()
        restocked = dict(Restock.objects.values_list("product_id").annotate(Sum("quantity")))
        findings: list[Finding] = []
        rows = 0
        for product in Product.objects.order_by("pk").iterator():
            rows += 1
            subject = f"product {product.pk}"
            problems = _problems(product, restocked.get(product.pk, 0))
            findings += [Finding(NO_UNIT_LOST, subject, problem) for problem in problems]
            findings += [Finding(COUNTERS_FOLLOW, subject, problem) for problem in _differences(product, counted)]
    yield Batch(rows, findings)


def _units() -> Mapping[str, Counter[int]]:
    """How many units of each product the reservations hold and have sold, by the status."""
    units: dict[str, Counter[int]] = {Status.HELD.value: Counter(), Status.CONFIRMED.value: Counter()}
    reservations = Reservation.objects.filter(status__in=list(units)).order_by()
    for status, text in reservations.values_list("status", "lines_text").iterator():
        units[status].update(quantities(text) or {})
    return units


def quantities(lines_text: str) -> Counter[int] | None:
    """Quantity by product in a stored reservation; None where it cannot be read."""
    found: Counter[int] = Counter()
    try:
        for line in lines.load(lines_text):
            found[line.product_id] += line.quantity
    except (exactjson.MalformedJSON, TypeError):
        return None
    return found


def _problems(product: Product, restocked: int) -> Iterator[str]:
    counters = {"stock": product.stock, "reserved": product.reserved, "sold": product.sold}
    said = ", ".join(f"{count} {name}" for name, count in counters.items())
    if min(counters.values()) < 0 or sum(counters.values()) != product.supplied:
        yield f"{said}; {product.supplied} were supplied"
    if restocked > product.supplied:
        yield f"{restocked} were added to it after it was created, but only {product.supplied} were ever supplied"


def _differences(product: Product, counted: Mapping[str, Counter[int]]) -> Iterator[str]:
    for status in (Status.HELD, Status.CONFIRMED):
        in_row, in_reservations = getattr(product, COUNTER[status]), counted[status.value][product.pk]
        if in_row != in_reservations:
            yield f"{in_row} {COUNTER[status]}, but reservations that are {status} have {in_reservations}"


def _check_reservations(reservations: Sequence[Reservation]) -> Iterator[Finding]:
    read = {reservation.uid: quantities(reservation.lines_text) for reservation in reservations}
    wanted = {product_id for units in read.values() if units for product_id in units}
    known = set(Product.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    for reservation in reservations:
        subject, units = f"reservation {reservation.uid}", read[reservation.uid]
        if units is None:
            yield Finding(LINES_MAKE_SENSE, subject, f"it is {reservation.status}, and its lines cannot be read")
            continue
        if not units and reservation.status != Status.RELEASED:
            yield Finding(LINES_MAKE_SENSE, subject, f"it is {reservation.status} and has no lines")
        for product_id, quantity in units.items():
            if quantity < 1 or product_id not in known:
                message = f"it is {reservation.status} for {quantity} of product {product_id}"
                yield Finding(LINES_MAKE_SENSE, subject, message)


def _named(scope: str, body: Mapping[str, Any]) -> Iterable[Named]:
    """Products and restocks answer with the product; confirming answers with the caller's own id."""
    is_product = scope.startswith("POST /api/products")
    return [Named("product", str(body["id"]))] if is_product and body.get("id") is not None else []


def _products(ids: Collection[str]) -> Collection[str]:
    numbers = [int(text) for text in ids if text.isascii() and text.isdigit()]
    return {str(pk) for pk in Product.objects.filter(pk__in=numbers).values_list("pk", flat=True)}
