"""The shop: for trying it, and for showing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

import orderpay
from console.pages import live, story, words
from console.pages.services import acting, ask, looking

MAX_QUANTITY: Final = 1000
_QUANTITY: Final = "q"
METHODS: Final = (
    ("", "Let the payment service decide"),
    ("CARD", "Card"),
    ("PAYPAL", "PayPal"),
    ("UPI", "UPI"),
    ("COD", "Cash on delivery"),
)


@dataclass(frozen=True)
class Row:
    """A product with how many of it are in the basket."""

    product: orderpay.Product
    quantity: int

    @property
    def total(self) -> Decimal:
        return self.product.price * self.quantity


def home(_request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(reverse("shop"))


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """The catalogue and the basket, which is in the address: nothing is kept."""
    return _shown(request, request.GET)


@require_safe
def stock(request: HttpRequest) -> HttpResponse:
    """How much there is of each product now."""
    found = ask(lambda: looking().products.page(per_page=100)[0], of="products")
    return live.part(request, "console/_stock.html", {"products": found.value or ()})


@require_POST
def place(request: HttpRequest) -> HttpResponse:
    """Place the order, and show how it goes."""
    basket = _basket(request.POST)
    name = request.POST.get("customer_name", "").strip()
    if not basket or not name:
        missing = "a name" if basket else "something in the basket"
        return _shown(request, request.POST, problem=f"The order needs {missing}.")
    token, method = request.POST.get("token", ""), request.POST.get("payment_method", "")
    try:
        order = acting().orders.place(
            customer_name=name,
            items=basket,
            payment="later" if request.POST.get("payment") == "later" else "now",
            payment_method=method or None,
            token=token or None,
            idempotency_key=request.POST.get("key") or None,
        )
    except (orderpay.OrderCancelled, orderpay.Unavailable) as ended:
        if ended.order is None:
            said = f"No answer came: it is not known whether the order was placed. Send it again. ({ended.message})"
            return _shown(request, request.POST, problem=said)
        order = ended.order
    except orderpay.OrderPayError as problem:
        return _shown(request, request.POST, problem=problem.message)
    return HttpResponseRedirect(reverse("shop-order", args=[order.number]))


@require_safe
def order(request: HttpRequest, reference: str) -> HttpResponse:
    """An order as its customer sees it."""
    return render(request, "console/shop_order.html", _of(reference))


@require_safe
def order_live(request: HttpRequest, reference: str) -> HttpResponse:
    return live.part(request, "console/_shop_order.html", _of(reference))


@require_POST
def pay(request: HttpRequest, reference: str) -> HttpResponse:
    """Pay an order that waits for it."""
    client = acting()
    try:
        asked = client.orders.get(reference)
        client.payments.pay(
            asked.id,
            asked.total_amount,
            currency=asked.currency,
            token=request.POST.get("token") or None,
            idempotency_key=request.POST.get("key") or None,
        )
    except orderpay.Declined as declined:
        request.session["notice"] = f"Declined: {words.cause(declined.code) or declined.message}. Try another token."
    except orderpay.NotFound:
        raise
    except orderpay.OrderPayError as problem:
        request.session["notice"] = f"Not paid: {problem.message}."
    return HttpResponseRedirect(reverse("shop-order", args=[reference]))


def tokens() -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    """The test tokens in words, those that are tried most first."""
    usual = [(token, words.TOKENS[token]) for token in words.USUAL_TOKENS]
    others = [(token, meaning) for token, meaning in words.TOKENS.items() if token not in words.USUAL_TOKENS]
    return [("Tried most", usual), ("When something goes wrong on the way", others)]


def _of(reference: str) -> dict[str, Any]:
    told = story.as_its_customer_sees_it(reference)
    return {
        "story": told,
        "rail": story.rail(told),
        "waits_for_customer": any(each.name == "pay" for each in story.actions(told)),
        "may_cancel": any(each.name == "cancel" for each in story.actions(told)),
        "token_groups": tokens(),
        "key": orderpay.new_key(),
        "refresh_s": 3 if told.is_unfinished else None,
    }


def _shown(request: HttpRequest, given: Any, *, problem: str = "") -> HttpResponse:
    basket = _basket(given)
    found = ask(lambda: looking().products.page(per_page=100)[0], of="products")
    rows = [Row(product, basket.get(product.id, 0)) for product in found.value or ()]
    chosen = [row for row in rows if row.quantity]
    context = {
        "rows": rows,
        "chosen": chosen,
        "total": sum((row.total for row in chosen), Decimal("0.00")),
        "products_problem": found.problem,
        "problem": problem,
        "given": given,
        "token": given.get("token", "tok_ok"),
        "token_groups": tokens(),
        "methods": METHODS,
        "key": orderpay.new_key(),
    }
    return render(request, "console/shop.html", context, status=422 if problem else 200)


def _basket(given: Any) -> dict[int, int]:
    """Units by product, of `q-7=2`; what is no number is nothing."""
    found = {}
    for name, text in given.items():
        kind, _, number = name.partition("-")
        if kind == _QUANTITY and number.isascii() and number.isdigit() and text.isascii() and text.isdigit():
            quantity = min(int(text[:9]), MAX_QUANTITY)
            if quantity:
                found[int(number[:18])] = quantity
    return found
