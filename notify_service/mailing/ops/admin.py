"""Mails in Django's admin, to search and to read."""

from django.contrib import admin

from notify_service.mailing.models import Mail
from servicekit.web.admin.readonly import ReadOnly


@admin.register(Mail)
class MailAdmin(ReadOnly, admin.ModelAdmin[Mail]):
    list_display = ("number", "subject", "created_at", "sent_at", "due_at", "tries", "last_error")
    search_fields = ("=order_id", "=event_id")
    search_help_text = "The id of an order, or of the event that a mail tells of."
    show_full_result_count = False
