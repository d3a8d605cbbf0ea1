"""Orders in Django's admin: to search and to look at. What moves an order is the saga, not a form."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from order_service.orders import reads
from order_service.orders.models import Order, OrderLine
from servicekit.web.admin.readonly import ReadOnly


class OrderLineInline(ReadOnly, admin.TabularInline[OrderLine, Order]):
    model = OrderLine
    fields = readonly_fields = ("position", "product_id", "name", "quantity", "unit_price", "line_total")


class UnfinishedFor(admin.SimpleListFilter):
    """Orders that have had something left to do for so long."""

    title = "unfinished for"
    parameter_name = "unfinished_for"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("0", "any time"), ("60", "a minute"), ("900", "a quarter of an hour"), ("86400", "a day")]

    def queryset(self, _request: HttpRequest, orders: QuerySet[Order]) -> QuerySet[Order]:
        chosen = self.value()
        if chosen is None:
            return orders
        return orders.filter(pk__in=reads.unfinished(for_s=int(chosen)).order_by().values("pk"))


class RefundBlocked(admin.SimpleListFilter):
    """Orders whose money the gateway refuses for good to give back."""

    title = "refund"
    parameter_name = "refund"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("blocked", "refused for good")]

    def queryset(self, _request: HttpRequest, orders: QuerySet[Order]) -> QuerySet[Order]:
        return orders.filter(refund_blocked__gt="") if self.value() else orders


@admin.register(Order)
class OrderAdmin(ReadOnly, admin.ModelAdmin[Order]):
    list_display = ("number", "uid", "customer_name", "total_amount", "currency", "status", "step", "created_at")
    list_filter = (UnfinishedFor, RefundBlocked, "status", "step", "pay_later", "created_at")
    search_fields = ("=number", "=uid", "customer_name")
    exclude = ("payment_token",)
    inlines = (OrderLineInline,)
    show_full_result_count = False
