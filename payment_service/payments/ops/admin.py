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

from payment_service.payments.models import MAX_REASON_LENGTH, Payment, Refund
from payment_service.payments.writes import blocking
from servicekit.errors import ServiceError
from servicekit.web.admin.readonly import ReadOnly


class ReasonForm(ActionForm):
    """The list's actions, with a reason beside them."""

    reason = forms.CharField(max_length=MAX_REASON_LENGTH, required=False, label="Reason, when settled by hand:")


class RefundInline(ReadOnly, admin.TabularInline[Refund, Payment]):
    model = Refund
    fields = ("uid", "amount", "status", "reason", "attempt", "failure_code", "settled_reason", "created_at")
    readonly_fields = fields


@admin.register(Payment)
class PaymentAdmin(ReadOnly, admin.ModelAdmin[Payment]):
    list_display = (
        "number",
        "reference",
        "order_id",
        "amount",
        "currency",
        "method",
        "status",
        "blocked",
        "created_at",
    )
    list_filter = ("status", "blocked", "method", "gateway", "created_at")
    actions = ("take_up_again", "settle_by_hand")
    action_form = ReasonForm
    search_fields = ("=number", "=order_id", "=reference", "=transaction_id", "=uid")
    exclude = ("token",)
    inlines = (RefundInline,)
    show_full_result_count = False

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
    list_display = ("number", "uid", "payment", "amount", "status", "attempt", "created_at")
    list_filter = ("status", "created_at")
    list_select_related = ("payment",)
    search_fields = ("=number", "=uid", "=payment__order_id", "=payment__reference")
    show_full_result_count = False
