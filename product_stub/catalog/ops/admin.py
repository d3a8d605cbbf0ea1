"""The catalogue for people. A name and a price may be edited; stock and reservations move only through the API."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError

from product_stub.catalog.models import Product, Reservation, Restock
from servicekit import cards
from servicekit.texts import is_blank
from servicekit.web.admin.readonly import NeverByHand, ReadOnly


class ProductForm(forms.ModelForm[Product]):
    """A name is what the API would take for one."""

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if is_blank(name):
            raise ValidationError("This field may not be blank.")
        if cards.looks_like_a_card_number(name):
            raise ValidationError(cards.SENTENCE)
        return name


@admin.register(Product)
class ProductAdmin(NeverByHand, admin.ModelAdmin[Product]):
    form = ProductForm
    list_display = ("id", "name", "price", "stock", "reserved", "sold")
    search_fields = ("=id", "name")
    search_help_text = "A product's id, or a part of its name."
    fields = ("name", "price", "stock", "reserved", "sold", "supplied", "uid")
    readonly_fields = ("stock", "reserved", "sold", "supplied", "uid")


@admin.register(Reservation)
class ReservationAdmin(ReadOnly, admin.ModelAdmin[Reservation]):
    list_display = ("uid", "status", "created_at", "updated_at")
    list_filter = ("status",)
    search_fields = ("=uid",)
    search_help_text = "The id of a reservation, which is its order's."
    # A count of all rows on each page is what makes a large table slow to look at.
    show_full_result_count = False


@admin.register(Restock)
class RestockAdmin(ReadOnly, admin.ModelAdmin[Restock]):
    list_display = ("product", "quantity", "created_at")
    list_select_related = ("product",)
    search_fields = ("=product__id", "product__name")
    show_full_result_count = False
