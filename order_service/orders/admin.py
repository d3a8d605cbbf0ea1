"""Orders in Django's admin: to search and to look at. What moves an order is the saga, not a form."""

from django.contrib import admin

from order_service.orders.models import Order, OrderLine
from servicekit.readonly_admin import ReadOnly


class OrderLineInline(ReadOnly, admin.TabularInline[OrderLine, Order]):
    model = OrderLine
    fields = readonly_fields = ("position", "product_id", "name", "quantity", "unit_price", "line_total")


@admin.register(Order)
class OrderAdmin(ReadOnly, admin.ModelAdmin[Order]):
    list_display = ("number", "uid", "customer_name", "total_amount", "currency", "status", "step", "created_at")
    list_filter = ("status", "step", "pay_later", "created_at")
    search_fields = ("=number", "=uid", "customer_name")
    exclude = ("payment_token",)
    inlines = (OrderLineInline,)
    show_full_result_count = False
