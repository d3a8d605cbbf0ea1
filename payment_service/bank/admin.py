"""The simulated bank's books in Django's admin, to look at."""

from django.contrib import admin

from payment_service.bank.models import Confirmation, Entry, Hold
from servicekit.web.admin import looks
from servicekit.web.admin.readonly import ReadOnly

looks.called(Hold, "hold", "the simulated bank: money set aside or taken")
looks.called(Confirmation, "confirmation", "the simulated bank: what payers have, or had, to confirm")
looks.called(Entry, "call", "the simulated bank: calls by their keys")


@admin.register(Hold)
class HoldAdmin(ReadOnly, admin.ModelAdmin[Hold]):
    list_display = ("payment_intent_id", "transaction_id", "authorized", "captured", "refunded", "is_released")
    list_filter = ("is_released", "currency")
    search_fields = ("=payment_intent_id", "=transaction_id")
    show_full_result_count = False


@admin.register(Entry)
class EntryAdmin(ReadOnly, admin.ModelAdmin[Entry]):
    list_display = ("key", "kind", "amount", "decline_code", "created_at")
    list_filter = ("kind", "decline_code")
    search_fields = ("=key",)
    show_full_result_count = False


@admin.register(Confirmation)
class ConfirmationAdmin(ReadOnly, admin.ModelAdmin[Confirmation]):
    list_display = ("payment_intent_id", "order_id", "amount", "currency", "created_at")
    search_fields = ("=payment_intent_id", "=order_id", "=key")
    exclude = ("secret",)
    show_full_result_count = False
