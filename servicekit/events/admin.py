"""The event store in Django's admin, to search and to read."""

from django.contrib import admin

from servicekit.events.models import DeadLetter, Event
from servicekit.web.admin.readonly import ReadOnly


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin[Event]):
    list_display = (
        "position",
        "type",
        "aggregatetype",
        "aggregateid",
        "sequence",
        "created_at",
        "actor",
        "published_at",
    )
    list_filter = ("type", "created_at")
    search_fields = ("aggregateid", "=event_id")
    show_full_result_count = False


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnly, admin.ModelAdmin[DeadLetter]):
    list_display = ("event", "error", "died_at", "given_up_at")
    list_select_related = ("event",)
    search_fields = ("event__aggregateid",)
