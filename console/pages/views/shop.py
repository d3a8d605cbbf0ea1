"""The shop: for trying it, and for showing it."""

from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

import orderpay
from console.pages import forms, live, story, words
from console.pages.paging import page_of, pages
from console.pages.services import KEY_REUSED, acting, ask, form, is_settled, looking

PER_PAGE: Final = 100
# So many products of the basket that are not on this page are asked for at once.
_SIDE_BY_SIDE: Final = 8
_NAME, _PAYMENT, _TOKEN, _METHOD = "Your name", "Payment (now or later)", "What the bank does", "The payment method"
# What of the form an address has, beside the basket.
_KEPT: Final = ("customer_name", "payment", "token", "payment_method", "page")
METHODS: Final = (
    ("", "Let the payment service decide"),
    ("CARD", "Card"),
    ("PAYPAL", "PayPal"),
    ("UPI", "UPI"),
    ("COD", "Cash on delivery"),
)


@dataclass(frozen=True)
class Row:
    """A product with how many of it are in the basket, and what was filled in; no product: there is none such."""

    number: int
    product: orderpay.Product | None
    quantity: int
    filled: str = ""
    is_wrong: bool = False

    @property
    def name(self) -> str:
        return self.product.name if self.product else f"Product {self.number}"

    @property
    def total(self) -> Decimal:
        return self.product.price * self.quantity if self.product else Decimal("0.00")


def home(_request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(reverse("shop"))


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """The catalogue and the basket, which is in the address: nothing is kept."""
    if "csrfmiddlewaretoken" in request.GET:  # a button of the form: what is secret in it stays in no address
        return HttpResponseRedirect(f"{reverse('shop')}?{_address(request.GET)}")
    return _shown(request, request.GET)


@require_safe
def stock(request: HttpRequest) -> HttpResponse:
    """How much there is of each product now."""
    page = page_of(request) or 1
    found = ask(lambda: looking().products.page(page, per_page=PER_PAGE)[0], of="products")
    return live.part(request, "console/_stock.html", {"products": found.value or ()})


@require_http_methods(["GET", "HEAD", "POST"])
def place(request: HttpRequest) -> HttpResponse:
    """Place the order, and show how it goes."""
    if request.method != "POST":  # the address after a form that was refused
        return HttpResponseRedirect(reverse("shop"))
    given, key = request.POST, forms.key_of(request.POST)
    try:
        with form(key) as request_id:
            placed = acting().orders.place(**_asked(given), idempotency_key=key)
    except forms.Refused as refused:
        return _shown(request, given, problems=refused.problems, key=key)
    except (orderpay.OrderCancelled, orderpay.Unavailable) as ended:
        if ended.order is None:
            said = f"No answer came: it is not known whether the order was placed. Send it again. ({ended.message})"
            return _shown(request, given, problems=[forms.Problem("", said)], key=key)
        placed = ended.order
    except orderpay.OrderPayError as problem:
        if problem.code == KEY_REUSED:
            return _sent_already(request, given, request_id)
        return _shown(request, given, problems=_sentences(problem), key="" if is_settled(problem) else key)
    return HttpResponseRedirect(reverse("shop-order", args=[placed.number]))


def _asked(given: QueryDict) -> dict[str, Any]:
    """The order that a form asks for.

    Raises:
        Refused: naming every field that cannot be taken.
    """
    problems: list[forms.Problem] = []

    def taken(read: Callable[..., str], *about: Any, **more: Any) -> str:
        try:
            return read(given, *about, **more)
        except forms.Refused as refused:
            problems.extend(refused.problems)
            return ""

    basket = forms.basket(given)
    problems.extend(basket.problems)
    if not basket.units and not basket.problems:
        problems.append(forms.Problem("items", "The order needs something in the basket."))
    name = taken(forms.text, "customer_name", _NAME)
    payment = taken(forms.choice, "payment", _PAYMENT, ("now", "later"))
    token = taken(forms.text, "token", _TOKEN, required=payment == "now")
    methods = tuple(value for value, _ in METHODS)
    method = taken(forms.choice, "payment_method", _METHOD, methods, required=False)
    if problems:
        raise forms.Refused(*problems)
    return {
        "customer_name": name,
        "items": basket.units,
        "payment": payment,
        "payment_method": method or None,
        "token": token or None,
    }


def _sentences(refused: orderpay.OrderPayError) -> list[forms.Problem]:
    """What the service does not like, with the field that it names."""
    if not refused.fields:
        return [forms.Problem("", refused.message)]
    return [
        forms.Problem(name, f"{name.replace('_', ' ').capitalize()}: {' '.join(said)}")
        for name, said in refused.fields.items()
    ]


def _sent_already(request: HttpRequest, given: QueryDict, request_id: str) -> HttpResponse:
    """Back, something changed, and sent again: what it made the first time, and how to order once more."""
    events = ask(lambda: looking().operations["orders"].events(request_id=request_id), of="orders").value
    ids = list(dict.fromkeys(each.aggregate_id for each in events or ()))
    made = ask(lambda: looking().orders.get(ids[0], live=False), of="orders").value if ids else None
    context = {
        "what": "an order",
        "order": made,
        "back": reverse("orders"),
        "back_says": "All orders",
        "again": f"{reverse('shop')}?{_address(given)}",
        "again_says": "Order once more",
    }
    return render(request, "console/sent_already.html", context, status=422)


def _address(given: QueryDict) -> str:
    """The basket and the rest of the form as an address has it, without what is empty and what is this form's alone."""
    kept = [
        (name, text)
        for name, texts in given.lists()
        for text in texts
        if text.strip() and (name in _KEPT or name.startswith("q-"))
    ]
    return urlencode(kept)


@require_safe
def order(request: HttpRequest, reference: str) -> HttpResponse:
    """An order as its customer sees it."""
    return render(request, "console/shop_order.html", _of(reference))


@require_safe
def order_live(request: HttpRequest, reference: str) -> HttpResponse:
    return live.part(request, "console/_shop_order.html", _of(reference))


@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, reference: str) -> HttpResponse:
    """Pay an order that waits for it."""
    where = HttpResponseRedirect(reverse("shop-order", args=[reference]))
    if request.method != "POST":  # the address after a form that was refused
        return where
    key = forms.key_of(request.POST)
    client = acting()
    try:
        token = forms.text(request.POST, "token", _TOKEN)
        asked = client.orders.get(reference)
        client.payments.pay(asked.id, asked.total_amount, currency=asked.currency, token=token, idempotency_key=key)
    except forms.Refused as refused:
        return render(request, "console/shop_order.html", _of(reference, refused.problems), status=422)
    except orderpay.Declined as declined:
        request.session["notice"] = f"Declined: {words.cause(declined.code) or declined.message}. Try another token."
    except orderpay.NotFound:
        raise
    except orderpay.OrderPayError as problem:
        said = problem.message
        if problem.code == KEY_REUSED:
            said = "this form was sent already, with something else in it; what came of that stands below"
        request.session["notice"] = f"Not paid: {said}."
    return where


def tokens() -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    """The test tokens in words, those that are tried most first."""
    usual = [(token, words.TOKENS[token]) for token in words.USUAL_TOKENS]
    others = [(token, meaning) for token, meaning in words.TOKENS.items() if token not in words.USUAL_TOKENS]
    return [("Tried most", usual), ("When something goes wrong on the way", others)]


def _of(reference: str, problems: Sequence[forms.Problem] = ()) -> dict[str, Any]:
    told = story.as_its_customer_sees_it(reference)
    return {
        "story": told,
        "form_problems": problems,
        "rail": story.rail(told),
        "waits_for_customer": any(each.name == "pay" for each in story.actions(told)),
        "may_cancel": any(each.name == "cancel" for each in story.actions(told)),
        "token_groups": tokens(),
        "key": orderpay.new_key(),
        "refresh_s": 3 if told.is_unfinished else None,
    }


def _shown(
    request: HttpRequest, given: QueryDict, *, problems: Sequence[forms.Problem] = (), key: str = ""
) -> HttpResponse:
    """The shop with what was filled in. The same `key`: it is still the same form."""
    basket, page = forms.basket(given), page_of(request)
    problems = problems or basket.problems
    found = ask(lambda: looking().products.page(page or 1, per_page=PER_PAGE), of="products")
    products, total = found.value or ((), None)
    products = products if page else ()
    rows = [_row(product.id, product, basket) for product in products]
    others = _elsewhere(basket, {product.id for product in products}) if found.value else _unknown(basket)
    chosen = [row for row in (*rows, *others) if row.quantity]
    context = {
        "rows": rows,
        "others": others,
        "chosen": chosen,
        "total": sum((row.total for row in chosen), Decimal("0.00")),
        "products_problem": found.problem,
        "problems": problems,
        "wrong": {each.field for each in problems},
        "given": given,
        "token": given.get("token", "tok_ok"),
        "token_groups": tokens(),
        "methods": METHODS,
        "key": key or orderpay.new_key(),
        **pages(page, PER_PAGE, total, shown=len(rows)),
    }
    return render(request, "console/shop.html", context, status=422 if problems else 200)


def _row(number: int, product: orderpay.Product | None, basket: forms.Basket) -> Row:
    filled, is_wrong = basket.filled.get(number, ""), f"q-{number}" in basket.wrong
    return Row(number, product, basket.units.get(number, 0), filled, is_wrong)


def _elsewhere(basket: forms.Basket, here: Container[int]) -> list[Row]:
    """What is in the basket, and not on this page of the catalogue."""
    rows = [row for row in _unknown(basket) if row.number not in here]
    wanted = [row.number for row in rows[: forms.MAX_LINES]]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        found = pool.map(lambda number: ask(lambda: looking().products.get(number), of="products").value, wanted)
        products = dict(zip(wanted, found, strict=True))
    return [replace(row, product=products.get(row.number)) for row in rows]


def _unknown(basket: forms.Basket) -> list[Row]:
    """The basket while the product service does not say what is in it."""
    return [_row(number, None, basket) for number, filled in basket.filled.items() if filled.strip("0")]
