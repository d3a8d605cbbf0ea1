"""Idempotency keys in Django's admin, to search and to read."""

from django.contrib import admin

from servicekit.idempotency.models import IdempotencyKey
from servicekit.web.admin import looks
from servicekit.web.admin.readonly import ReadOnly

looks.called(IdempotencyKey, "idempotency key", "idempotency keys")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnly, admin.ModelAdmin[IdempotencyKey]):
    list_display = ("key", "scope", "status_code", "locked_until", "created_at")
    list_filter = ("status_code", "created_at")
    search_fields = ("key", "=id")
    search_help_text = "A key as its client sent it, or the id of what its request made."
    show_full_result_count = False
