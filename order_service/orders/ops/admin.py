"""Orders in Django's admin: to search and to look at. What moves an order is the saga, not a form."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from order_service.orders import events, reads
from order_service.orders.models import Order, OrderLine
from servicekit.web.admin import looks
from servicekit.web.admin.readonly import ReadOnly

looks.called(OrderLine, "line", "lines")

# Events that may say why a payment was declined.
_DECLINED: Final = (events.PAYMENT_RETRIED, events.CANCELLED)


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
    list_display = ("number", "id", "customer_name", "total", "status", "step", "paying", "placed")
    list_display_links = ("number", "id")
    list_filter = (UnfinishedFor, RefundBlocked, "status", "step", "pay_later", "created_at")
    search_fields = ("=number", "=uid", "customer_name")
    search_help_text = "An order's number or id, or a part of its customer's name."
    inlines = (OrderLineInline,)
    show_full_result_count = False
    fieldsets = (
        (
            "Order",
            {
                "fields": ("number", "whole_id", "customer_name", "wanted", "total", "status", "cancellation_reason"),
                "description": "Looked at, not changed: what moves an order is the saga.",
            },
        ),
        (
            "Payment",
            {
                "fields": (
                    "paying",
                    "payment_method",
                    "payment_status",
                    "decline_code",
                    "refunded_amount",
                    "refund_blocked",
                ),
                "description": "As the payment service has told last; the page shows it as it is now.",
            },
        ),
        (
            "What happened, and what comes next",
            {
                "fields": ("trail", "step", "attempt", "retry_count", "due", "unfinished_since", "version", "links"),
                "description": "A step is what has been committed; a worker goes on from it when it is due.",
            },
        ),
        ("Times", {"fields": ("placed", "changed", "paid", "expires"), "description": "In UTC."}),
    )
    readonly_fields = (
        *("id", "whole_id", "wanted", "total", "paying", "decline_code", "trail", "due", "unfinished_since", "links"),
        *("placed", "changed", "paid", "expires"),
    )

    @admin.display(description="id", ordering="uid")
    def id(self, order: Order) -> str:
        return looks.short_id(order.uid)

    @admin.display(description="id")
    def whole_id(self, order: Order) -> str:
        return str(order.uid)

    @admin.display(description="asked for")
    def wanted(self, order: Order) -> str:
        return ", ".join(f"{each['quantity']} of product {each['product_id']}" for each in order.asked)

    @admin.display(description="total", ordering="total_amount")
    def total(self, order: Order) -> str:
        return looks.in_one_line(f"{order.total_amount:,.2f} {order.currency}")

    @admin.display(description="to be paid", ordering="pay_later")
    def paying(self, order: Order) -> str:
        return "later" if order.pay_later else "now"

    @admin.display(description="declined because")
    def decline_code(self, order: Order) -> str:
        declined = [each["data"] for each in reads.trail_of(order) if each["type"] in _DECLINED]
        said = [data.get("cause") or data.get("after") for data in declined]
        return next((code for code in reversed(said) if code), "-")

    @admin.display(description="events")
    def trail(self, order: Order) -> str:
        return looks.trail(reads.trail_of(order))

    @admin.display(description="due")
    def due(self, order: Order) -> str:
        return looks.moment(order.due_at) if order.due_at else "never: nothing is left to do"

    @admin.display(description="unfinished since")
    def unfinished_since(self, order: Order) -> str:
        return "-" if order.is_at_rest else looks.moment(order.unsettled_since or order.updated_at)

    @admin.display(description="more")
    def links(self, order: Order) -> str:
        page = looks.on_the_page(f"orders/{order.number}/", "order and payment on the page")
        return format_html("{} · {}", looks.events_of(order.uid), page)

    @admin.display(description="placed", ordering="created_at")
    def placed(self, order: Order) -> str:
        return looks.moment(order.created_at)

    @admin.display(description="changed")
    def changed(self, order: Order) -> str:
        return looks.moment(order.updated_at)

    @admin.display(description="paid")
    def paid(self, order: Order) -> str:
        return looks.moment(order.paid_at)

    @admin.display(description="expires")
    def expires(self, order: Order) -> str:
        return looks.moment(order.expires_at)
