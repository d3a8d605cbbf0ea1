"""Stripe, through its official library: payment intents, manual capture, cancel, refunds.

Every request carries Stripe's own idempotency key and, in the object's metadata, ours, so that it can be looked up
again. See https://docs.stripe.com/api/errors and https://docs.stripe.com/error-low-level for what an error means.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, urlsplit

import stripe
import structlog

from payment_service.payments.gateways.base import (
    NOT_CONFIRMED,
    ActionRequired,
    Approved,
    CaptureRequest,
    ChargeOutcome,
    ChargeRequest,
    Declined,
    GatewayUnavailable,
    Outcome,
    OutcomeUnknown,
    RefundRequest,
    Request,
    VoidRequest,
    decided,
)
from servicekit.http.client import never_connected

log = structlog.get_logger()

# https://docs.stripe.com/currencies: amounts are in the smallest unit, which is a hundredth but for these. (ISK and UGX
# have no decimals in ISO 4217, but two at Stripe.)
_NO_DECIMALS: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DECIMALS: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# https://docs.stripe.com/declines/codes, https://docs.stripe.com/error-codes and, for refunds,
# https://docs.stripe.com/refunds#failed-refunds: those where Stripe says that trying again may help. All others, a
# disputed charge (`charge_disputed`) among them, are refused for good.
_NOT_NOW: Final = frozenset(
    {
        "approve_with_id",
        "balance_insufficient",  # of ours, for a refund
        "card_velocity_exceeded",
        "insufficient_funds",
        "issuer_not_available",
        "lock_timeout",
        "processing_error",
        "reenter_transaction",
        "try_again_later",
    }
)
# All of the charge is back, by whichever way: at least as much as is asked for, because no more than was taken is ever
# booked. It is what was wanted.
_ALREADY_REFUNDED: Final = "charge_already_refunded"
# Where Stripe offers no search, so many of the newest intents are looked through instead.
_NEWEST: Final = 300
# Of a page at which a payer confirms; what we keep of one.
_MAX_URL_LENGTH: Final = 2048
_PAGE: Final = 100

# What people read where Stripe has no sentence, or none for them.
_REFUSED: Final = {
    "charge_disputed": "The charge is disputed, so that it cannot be refunded",
    "refund_failed": "The bank has not taken the refund",
}
_NO_METHOD: Final = Declined("payment_method_required", "A payment method token is required", retryable=False)
_NOT_EXACT: Final = Declined("invalid_amount", "The currency has no such fraction", retryable=False)
_NOTHING_SET_ASIDE: Final = Declined("nothing_set_aside", "Nothing is set aside any more", retryable=False)
_NEEDS_CUSTOMER: Final = Declined(
    "authentication_required", "The bank wants the payer to confirm the payment", retryable=False
)


class StripeGateway:
    """Charges cards at Stripe. Safe to share between threads.

    Args:
        timeout_s: For one call to Stripe.
        return_url: Where a payer goes who has confirmed a payment at Stripe, with `{order_id}` in it.
        base_url: Another server than Stripe's own, for tests.
    """

    has_outside_effect = True
    takes_real_money = True

    def __init__(self, *, api_key: str, timeout_s: float, return_url: str, base_url: str | None = None) -> None:
        self._return_url = return_url
        self._stripe = stripe.StripeClient(
            api_key,
            http_client=stripe.RequestsClient(timeout=timeout_s),
            base_addresses={"api": base_url} if base_url else {},
            max_network_retries=0,  # the ledger knows what was tried; a hidden retry would not be in it
        )

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        amount = _smallest_units(request.amount, request.currency)
        if amount is None:
            return _NOT_EXACT
        if not request.token:
            return _NO_METHOD
        params: dict[str, Any] = {
            "amount": amount,
            "currency": request.currency.lower(),
            "confirm": True,
            "capture_method": "automatic" if request.capture else "manual",
            "payment_method_types": ["card"],
            "return_url": self._return_url.replace("{order_id}", quote(request.order_id, safe="")),
            "metadata": {"key": request.key, "order_id": request.order_id},
            **_payment_method(request.token),
        }
        with _errors_as_values() as refused:
            intent = self._stripe.v1.payment_intents.create(params, {"idempotency_key": request.key})  # type: ignore[arg-type]
            return self._outcome(intent)
        return refused[0]

    def capture(self, request: CaptureRequest) -> Outcome:
        found = decided(self.find(request))
        if found is not None:
            return found
        intent_id, amount = request.payment_intent_id or "", _smallest_units(request.amount, request.currency)
        if amount is None:
            return _NOT_EXACT
        with _errors_as_values() as refused:
            # Kept first: should the answer be lost, it tells our capture from any other.
            self._stripe.v1.payment_intents.update(intent_id, {"metadata": {"capture_key": request.key}})
            self._stripe.v1.payment_intents.capture(
                intent_id, {"amount_to_capture": amount}, {"idempotency_key": request.key}
            )
            return _approved(request.transaction_id, intent_id)
        return refused[0]

    def void(self, request: VoidRequest) -> Outcome:
        found = decided(self.find(request))
        if found is not None:
            return found
        intent_id = request.payment_intent_id or ""
        with _errors_as_values() as refused:
            self._stripe.v1.payment_intents.cancel(intent_id, options={"idempotency_key": request.key})
            return _approved(request.transaction_id, intent_id)
        return refused[0]

    def refund(self, request: RefundRequest) -> Outcome:
        found = decided(self.find(request))
        amount = _smallest_units(request.amount, request.currency)
        if found is not None or amount is None:
            return found or _NOT_EXACT
        intent_id = request.payment_intent_id or ""
        params: dict[str, Any] = {"payment_intent": intent_id, "amount": amount, "metadata": {"key": request.key}}
        with _errors_as_values() as refused:
            return _refund_outcome(self._stripe.v1.refunds.create(params, {"idempotency_key": request.key}))  # type: ignore[arg-type]
        refusal = refused[0]
        return _already_refunded(request) if refusal.code == _ALREADY_REFUNDED else refusal

    def find(self, request: Request) -> ChargeOutcome | None:
        with _errors_as_values() as refused:
            if isinstance(request, ChargeRequest):
                intent = self._intent_of(request)
                return None if intent is None else self._outcome(intent)
            if isinstance(request, RefundRequest):
                return self._find_refund(request)
            intent = self._stripe.v1.payment_intents.retrieve(request.payment_intent_id or "")
            return _end_of(intent, request)
        return refused[0]

    def _intent_of(self, request: ChargeRequest) -> stripe.PaymentIntent | None:
        """By Stripe's own id, where we know it: that is known at once, and its search lags."""
        if request.payment_intent_id is None:
            return self._intent_with(request.key)
        intent = self._stripe.v1.payment_intents.retrieve(request.payment_intent_id)
        return intent if _note(intent, "key") == request.key else None

    def _intent_with(self, key: str) -> stripe.PaymentIntent | None:
        """The intent with our key. Stripe's search lags by up to a minute; until then an intent counts as not seen."""
        try:
            found: Iterable[stripe.PaymentIntent] = self._stripe.v1.payment_intents.search(
                {"query": f"metadata['key']:'{key}'"}
            ).data
        except stripe.InvalidRequestError:  # not offered in every country
            found = islice(self._stripe.v1.payment_intents.list({"limit": _PAGE}).auto_paging_iter(), _NEWEST)
        return next((intent for intent in found if _note(intent, "key") == key), None)

    def _find_refund(self, request: RefundRequest) -> Outcome | None:
        refunds = self._stripe.v1.refunds.list({"payment_intent": request.payment_intent_id or "", "limit": _PAGE})
        ours = (refund for refund in refunds.auto_paging_iter() if _note(refund, "key") == request.key)
        refund = next(ours, None)
        return None if refund is None else _refund_outcome(refund)

    def _outcome(self, intent: stripe.PaymentIntent) -> ChargeOutcome:
        """What an intent that was confirmed has come to."""
        if intent.status in ("succeeded", "requires_capture"):
            charge = intent.latest_charge
            return _approved(charge if isinstance(charge, str) else charge.id if charge else intent.id, intent.id)
        if intent.status == "requires_action":
            url = _page_of(intent)
            if url:
                response = {"gateway": "stripe", "result": "requires_action", "payment_intent_id": intent.id}
                return ActionRequired(url, intent.id, response)
            # No page at which it could be confirmed, and it must not be completed behind our back later.
            self._stripe.v1.payment_intents.cancel(intent.id)
            return _NEEDS_CUSTOMER
        if intent.status in ("requires_payment_method", "canceled"):
            problem = intent.last_payment_error
            if problem is None and intent.status == "canceled":
                return NOT_CONFIRMED
            code = getattr(problem, "decline_code", None) or getattr(problem, "code", None) or "card_declined"
            return _declined(code, getattr(problem, "message", None))
        raise OutcomeUnknown


@contextmanager
def _errors_as_values() -> Iterator[list[Declined]]:
    """Puts what Stripe refuses into the list; raises the port's exceptions for everything that is no answer."""
    refused: list[Declined] = []
    try:
        yield refused
    except stripe.CardError as error:
        decline_code = getattr(error.error, "decline_code", None) if error.error else None
        refused.append(_declined(decline_code or error.code or "card_declined", error.user_message))
    except (stripe.RateLimitError, stripe.AuthenticationError, stripe.PermissionError) as error:
        log.error("stripe.refused_us", status=error.http_status)  # it has done nothing
        raise GatewayUnavailable from error
    except stripe.IdempotencyError as error:  # the first request with this key is still running
        raise OutcomeUnknown from error
    except stripe.InvalidRequestError as error:
        refused.append(_declined(error.code or "invalid_request", error.user_message))
    except stripe.APIConnectionError as error:
        raise (GatewayUnavailable if never_connected(error.__cause__) else OutcomeUnknown) from error
    except stripe.StripeError as error:
        raise OutcomeUnknown from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        log.exception("stripe.unreadable_answer")  # not what was agreed on, so it says nothing of what was done
        raise OutcomeUnknown from error


def _end_of(intent: stripe.PaymentIntent, request: CaptureRequest | VoidRequest) -> Outcome | None:
    """What became of set-aside money, as far as a capture or void is concerned; None while it is set aside."""
    approved = _approved(request.transaction_id, intent.id)
    if intent.status == "canceled":
        return approved if isinstance(request, VoidRequest) else _NOTHING_SET_ASIDE
    if intent.status == "succeeded":
        is_ours = isinstance(request, CaptureRequest) and _note(intent, "capture_key") == request.key
        return approved if is_ours else _NOTHING_SET_ASIDE
    return None


def _page_of(intent: stripe.PaymentIntent) -> str:
    """Where the payer confirms it, empty where no link leads there. https://docs.stripe.com/payments/3d-secure"""
    redirect = getattr(intent.next_action, "redirect_to_url", None)
    url = str(getattr(redirect, "url", None) or "")
    return url if urlsplit(url).scheme in ("https", "http") and len(url) <= _MAX_URL_LENGTH else ""


def _refund_outcome(refund: stripe.Refund) -> Outcome:
    if refund.status in ("failed", "canceled"):
        return _declined(getattr(refund, "failure_reason", None) or "refund_failed", None)
    if refund.status == "succeeded":
        return _approved(refund.id, None)
    raise OutcomeUnknown


def _already_refunded(request: RefundRequest) -> Approved:
    """There is no refund of ours to name, so it is named by its charge."""
    ids = {"transaction_id": request.transaction_id}
    return Approved(request.transaction_id, None, {"gateway": "stripe", "result": _ALREADY_REFUNDED, **ids})


def _payment_method(token: str) -> dict[str, Any]:
    """Stripe.js makes payment methods (`pm_…`); older pages make card tokens (`tok_…`)."""
    if token.startswith("tok_"):
        return {"payment_method_data": {"type": "card", "card": {"token": token}}}
    return {"payment_method": token}


def decimals_of(currency: str) -> int:
    """How many decimals Stripe counts a currency with."""
    return 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2


def _smallest_units(amount: Decimal, currency: str) -> int | None:
    """The amount as Stripe counts it, None when it has a finer fraction than that."""
    units = amount.scaleb(decimals_of(currency))
    return int(units) if units == units.to_integral_value() else None


def _approved(transaction_id: str, intent_id: str | None) -> Approved:
    ids = {"transaction_id": transaction_id, **({"payment_intent_id": intent_id} if intent_id else {})}
    return Approved(transaction_id, intent_id, {"gateway": "stripe", "result": "approved", **ids})


def _declined(code: str, message: str | None) -> Declined:
    response = {"gateway": "stripe", "result": "declined", "decline_code": code}
    return Declined(code[:64], message or _REFUSED.get(code, "The payment was declined"), code in _NOT_NOW, response)


def _note(thing: stripe.PaymentIntent | stripe.Refund, name: str) -> str | None:
    """One of our notes in the metadata."""
    note: str | None = getattr(thing.metadata, name, None)
    return note
