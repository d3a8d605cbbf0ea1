"""The ledger in Django's admin: to search and to look at. What moves money is the API, not a form.

Only what a gateway refuses for good is a person's: to have it taken up again, or to say how it was settled.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from payment_service.payments import reads
from payment_service.payments.models import MAX_REASON_LENGTH, Payment, Refund
from payment_service.payments.writes import blocking
from servicekit.errors import ServiceError
from servicekit.web.admin import looks
from servicekit.web.admin.readonly import ReadOnly

# Stored, and nobody's business here; or shown in other words.
_NOT_SHOWN: Final = frozenset({"uid", "token", "action_url", "amount", "currency", "provider_response"})
# Digits of an order's own number that still fit into a column.
MAX_SHOWN = 19


class ReasonForm(ActionForm):
    """The list's actions, with a reason beside them."""

    reason = forms.CharField(max_length=MAX_REASON_LENGTH, required=False, label="Reason, when settled by hand:")


class RefundInline(ReadOnly, admin.TabularInline[Refund, Payment]):
    model = Refund
    fields = ("uid", "amount", "status", "reason", "attempt", "failure_code", "settled_reason", "created_at")
    readonly_fields = fields


@admin.register(Payment)
class PaymentAdmin(ReadOnly, admin.ModelAdmin[Payment]):
    list_display = ("number", "referred", "order", "money", "paid_by", "state", "why", "made")
    list_display_links = ("number", "referred")
    search_help_text = "A payment's number, id, reference, transaction, or its order's id."
    readonly_fields = ("whole_id", "money", "trail", "answer", "links", "made")
    list_filter = ("status", "blocked", "method", "gateway", "created_at")
    actions = ("take_up_again", "settle_by_hand")
    action_form = ReasonForm
    search_fields = ("=number", "=order_id", "=reference", "=transaction_id", "=uid")
    inlines = (RefundInline,)
    show_full_result_count = False
    # A column that none of these names stands under "The rest".
    fieldsets = (
        (
            "Payment",
            {
                "fields": ("number", "whole_id", "reference", "order_id", "money", "status", "method"),
                "description": "Looked at, not changed: what moves money is the API.",
            },
        ),
        (
            "What happened, and what comes next",
            {
                "fields": ("trail", "failure_code", "error_message", "attempt", "retry_count", "due_at", "links"),
                "description": "A worker goes on when it is due.",
            },
        ),
        (
            "Money",
            {
                "fields": ("authorized", "captured", "booked", "refunded", "disputed", "refunded_by_hand"),
                "description": "In major units. What is booked is refunded, or on its way back.",
            },
        ),
        ("Gateway", {"fields": ("gateway", "transaction_id", "payment_intent_id", "answer")}),
        (
            "Waits for a person",
            {
                "fields": ("blocked", "blocked_reason", "blocked_at", "settled_reason"),
                "description": "What the gateway refuses for good though it is wanted.",
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Payment | None = None) -> Any:
        named = {name for _, options in self.fieldsets for name in options["fields"]} | _NOT_SHOWN
        rest = [each.name for each in Payment._meta.concrete_fields if each.name not in named]
        return (*self.fieldsets, ("The rest", {"fields": rest, "classes": ("collapse",)}))

    @admin.display(description="id")
    def whole_id(self, payment: Payment) -> str:
        return str(payment.uid)

    @admin.display(description="events")
    def trail(self, payment: Payment) -> str:
        return looks.trail(reads.trail_of(payment))

    @admin.display(description="it said")
    def answer(self, payment: Payment) -> str:
        return looks.pairs(payment.provider_response or {})

    @admin.display(description="why", ordering="failure_code")
    def why(self, payment: Payment) -> str:
        why = f"{payment.blocked} refused for good" if payment.blocked else payment.failure_code or "-"
        return why.replace("_", " ")

    @admin.display(description="status", ordering="status")
    def state(self, payment: Payment) -> str:
        return payment.status.replace("_", " ")  # so that it may break

    @admin.display(description="method", ordering="method")
    def paid_by(self, payment: Payment) -> str:
        return payment.method.replace("_", " ")

    @admin.display(description="reference", ordering="reference")
    def referred(self, payment: Payment) -> str:
        return looks.in_one_line(payment.reference)

    @admin.display(description="order", ordering="order_id")
    def order(self, payment: Payment) -> str:
        return looks.short_id(payment.order_id) if len(payment.order_id) > MAX_SHOWN else payment.order_id

    @admin.display(description="amount", ordering="amount")
    def money(self, payment: Payment) -> str:
        return looks.in_one_line(f"{payment.amount_shown:,.2f} {payment.currency}")

    @admin.display(description="made", ordering="created_at")
    def made(self, payment: Payment) -> str:
        return looks.moment(payment.created_at)

    @admin.display(description="more")
    def links(self, payment: Payment) -> str:
        page = looks.on_the_page(f"payments/{payment.number}/", "payment and order on the page")
        return format_html("{} · {}", looks.events_of(payment.uid), page)

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Forms change nothing here, so who may change a payment is asked of Django's own permissions."""
        return request.user.has_perm("payments.change_payment")

    @admin.action(description="Take up again what the gateway has refused for good", permissions=["settle"])
    def take_up_again(self, request: HttpRequest, payments: QuerySet[Payment]) -> None:
        self._each(request, payments, partial(blocking.take_up, by=request.user.get_username()), "is tried again")

    @admin.action(description="Settle by hand what the gateway has refused for good", permissions=["settle"])
    def settle_by_hand(self, request: HttpRequest, payments: QuerySet[Payment]) -> None:
        reason, by = request.POST.get("reason", ""), request.user.get_username()
        self._each(request, payments, partial(blocking.settle_by_hand, reason=reason, by=by), "is settled")

    def _each(
        self, request: HttpRequest, payments: QuerySet[Payment], do: Callable[[Payment], Payment], done: str
    ) -> None:
        for payment in payments:
            self.message_user(request, *_said_of(payment, do, done))


def _said_of(payment: Payment, do: Callable[[Payment], Payment], done: str) -> tuple[str, int]:
    """What became of one payment, and how loudly that is to be said."""
    try:
        do(payment)
    except ServiceError as refusal:
        return f"{payment.reference}: {refusal.message}.", messages.ERROR
    return f"{payment.reference} {done}.", messages.SUCCESS


@admin.register(Refund)
class RefundAdmin(ReadOnly, admin.ModelAdmin[Refund]):
    list_display = ("number", "paid", "amount", "status", "reason", "attempt", "failure_code", "made")
    search_help_text = "A refund's number or id, its payment's reference, or its order's id."
    list_filter = ("status", "created_at")
    list_select_related = ("payment",)
    search_fields = ("=number", "=uid", "=payment__order_id", "=payment__reference")
    show_full_result_count = False

    @admin.display(description="payment", ordering="payment__reference")
    def paid(self, refund: Refund) -> str:
        return looks.in_one_line(refund.payment.reference)

    @admin.display(description="made", ordering="created_at")
    def made(self, refund: Refund) -> str:
        return looks.moment(refund.created_at)
