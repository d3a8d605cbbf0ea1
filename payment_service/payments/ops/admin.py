"""The ledger in Django's admin: to search and to look at. What moves money is the API, not a form.

Only what a gateway refuses for good is a person's: to have it taken up again, or to say how it was settled.
"""

from collections.abc import Callable
from functools import partial

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from payment_service.payments.models import MAX_REASON_LENGTH, Payment, Refund
from payment_service.payments.writes import blocking
from servicekit.errors import ServiceError
from servicekit.web.admin import looks
from servicekit.web.admin.readonly import ReadOnly

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
    list_display = ("number", "reference", "order", "money", "method", "status", "failure_code", "blocked", "made")
    list_display_links = ("number", "reference")
    search_help_text = "A payment's number, id, reference, transaction, or its order's id."
    readonly_fields = ("links",)
    list_filter = ("status", "blocked", "method", "gateway", "created_at")
    actions = ("take_up_again", "settle_by_hand")
    action_form = ReasonForm
    search_fields = ("=number", "=order_id", "=reference", "=transaction_id", "=uid")
    exclude = ("token",)
    inlines = (RefundInline,)
    show_full_result_count = False

    @admin.display(description="order", ordering="order_id")
    def order(self, payment: Payment) -> str:
        return looks.short_id(payment.order_id) if len(payment.order_id) > MAX_SHOWN else payment.order_id

    @admin.display(description="amount", ordering="amount")
    def money(self, payment: Payment) -> str:
        return f"{payment.amount_shown:,.2f} {payment.currency}"

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
    list_display = ("number", "payment", "amount", "status", "reason", "attempt", "failure_code", "created_at")
    search_help_text = "A refund's number or id, its payment's reference, or its order's id."
    list_filter = ("status", "created_at")
    list_select_related = ("payment",)
    search_fields = ("=number", "=uid", "=payment__order_id", "=payment__reference")
    show_full_result_count = False
