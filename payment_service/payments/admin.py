"""The ledger in Django's admin: to search and to look at. What moves money is the API, not a form."""

from django.contrib import admin

from payment_service.payments.models import Payment, Refund
from servicekit.readonly_admin import ReadOnly


class RefundInline(ReadOnly, admin.TabularInline[Refund, Payment]):
    model = Refund
    fields = ("uid", "amount", "status", "reason", "failure_code", "created_at", "succeeded_at")
    readonly_fields = fields


@admin.register(Payment)
class PaymentAdmin(ReadOnly, admin.ModelAdmin[Payment]):
    list_display = ("number", "reference", "order_id", "amount", "currency", "method", "status", "created_at")
    list_filter = ("status", "method", "gateway", "created_at")
    search_fields = ("=number", "=order_id", "=reference", "=transaction_id", "=uid")
    exclude = ("token",)
    inlines = (RefundInline,)
    show_full_result_count = False


@admin.register(Refund)
class RefundAdmin(ReadOnly, admin.ModelAdmin[Refund]):
    list_display = ("number", "uid", "payment", "amount", "status", "created_at")
    list_filter = ("status", "created_at")
    list_select_related = ("payment",)
    search_fields = ("=number", "=uid", "=payment__order_id", "=payment__reference")
    show_full_result_count = False
