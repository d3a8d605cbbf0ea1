"""The event trail in Django's admin, to search and to read."""

from django.contrib import admin

from servicekit.events.models import Event
from servicekit.readonly_admin import ReadOnly


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin[Event]):
    list_display = ("position", "type", "aggregatetype", "aggregateid", "sequence", "created_at", "published_at")
    list_filter = ("type", "created_at")
    search_fields = ("aggregateid", "=event_id")
    show_full_result_count = False
