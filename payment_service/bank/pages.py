"""The bank's page, at which a payer confirms a charge: its address is known to whoever was given it, to nobody else.

No script, no cookie, nothing to sign in to: the secret in the address is what the form needs, so another site cannot
send it. What is decided is in the bank's books; the shop only hears that there is something to ask for.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog
from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import URLPattern, re_path
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import UnsupportedMediaType

from payment_service.bank import books
from payment_service.bank.models import Confirmation
from payment_service.bank.tokens import CALLED_OFF, DECLINES, PAYER_DECLINED
from servicekit import errors
from servicekit.web.messages import Request
from servicekit.web.views import View

log = structlog.get_logger()

Hear = Callable[[str], None]
# Nothing from anywhere but its own style sheet; and it sends its form to itself. A browser names the origin of a form
# only under such a policy of referrers, and the address goes to no other site.
_SAFE: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}
_FORM: Final = "application/x-www-form-urlencoded"
_ANSWERS: Final = {"approve": True, "decline": False}


class UnknownConfirmation(errors.NotFound):
    code = "confirmation_not_found"

    def __init__(self) -> None:
        super().__init__("There is nothing to confirm at this address")


class UnknownAnswer(errors.Invalid):
    code = "unknown_answer"

    def __init__(self) -> None:
        said = "must be approve or decline, and given once"
        super().__init__(f"answer {said}", fields={"answer": [f"{said.capitalize()}."]})


def _nobody(_order_id: str) -> None:
    """Hears nothing."""


class ConfirmView(View):
    parser_classes = []
    hear: Hear = staticmethod(_nobody)

    @extend_schema(exclude=True)
    def get(self, request: Request, secret: str) -> HttpResponse:
        return _page(request, _asked(secret))

    @extend_schema(exclude=True)
    def post(self, request: Request, secret: str) -> HttpResponse:
        asked = _asked(secret)
        books.answer(asked, is_yes=_answer(request))
        try:
            self.hear(asked.order_id)
        except Exception:  # whatever the shop's trouble is: the payer's answer stands, and the shop looks by itself
            log.exception("bank.shop_not_told", order_id=asked.order_id)
        answer = HttpResponseRedirect(request.path)
        answer.status_code = 303
        return answer


def routes(hear: Hear) -> list[URLPattern]:
    """The route of the page.

    Args:
        hear: Told the order of which the payer has answered.
    """
    view = ConfirmView.as_view(hear=staticmethod(hear))
    return [re_path(r"^bank/confirm/(?P<secret>[A-Za-z0-9_-]{43})/?$", view)]


def _answer(request: Request) -> bool:
    """Yes or no: one of them, once."""
    match [_ANSWERS.get(said) for said in _form(request).getlist("answer")]:
        case [bool() as is_yes]:
            return is_yes
    raise UnknownAnswer


def _form(request: Request) -> QueryDict:
    """The form of the page, as browsers send it."""
    sent_as = request.META.get("CONTENT_TYPE", "")
    if sent_as.partition(";")[0].strip().lower() != _FORM:
        raise UnsupportedMediaType(sent_as)
    return QueryDict(request.body)


def _asked(secret: str) -> Confirmation:
    asked = books.confirmation(secret=secret)
    if asked is None:
        raise UnknownConfirmation
    return asked


def _page(request: Request, asked: Confirmation) -> HttpResponse:
    context: dict[str, Any] = {"asked": asked, "state": _state(asked)}
    context["return_url"] = settings.PAYMENT_RETURN_URL.replace("{order_id}", asked.order_id)
    response = render(request, "bank/confirm.html", context)
    for name, value in _SAFE.items():
        response[name] = value
    return response


def _state(asked: Confirmation) -> dict[str, str]:
    """What it has come to, in words."""
    entry = books.find(asked.key)
    if entry is None:
        return {"name": "open"}
    if not entry.decline_code:
        return {"name": "approved", "title": "Payment confirmed", "said": "You can go back to the shop."}
    if entry.decline_code == PAYER_DECLINED:
        return {"name": "declined", "title": "Payment declined", "said": "You have said no. Nothing is taken."}
    if entry.decline_code == CALLED_OFF:
        return {
            "name": "over",
            "title": "Nothing to confirm any more",
            "said": "It took too long, or the shop has cancelled it. Nothing is taken.",
        }
    return {
        "name": "declined",
        "title": "Payment declined",
        "said": f"{DECLINES[entry.decline_code].message}. Nothing is taken.",
    }
