"""The event store in Django's admin, to search and to read."""

from django.contrib import admin
from django.utils.html import format_html

from servicekit.events.models import DeadLetter, Event
from servicekit.web.admin import looks
from servicekit.web.admin.readonly import ReadOnly

looks.called(Event, "event", "events")
looks.called(DeadLetter, "dead event", "dead events: refused for good by the broker")


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin[Event]):
    list_display = ("position", "type", "of", "sequence", "when", "actor", "is_published")
    search_help_text = "The id of an order or a payment, or an event's own id."
    list_filter = ("type", "created_at")
    search_fields = ("aggregateid", "=event_id")
    show_full_result_count = False

    @admin.display(description="of", ordering="aggregateid")
    def of(self, event: Event) -> str:
        return format_html("{} {}", event.aggregatetype, looks.short_id(event.aggregateid))

    @admin.display(description="when", ordering="created_at")
    def when(self, event: Event) -> str:
        return looks.moment(event.created_at)

    @admin.display(description="published", ordering="published_at")
    def is_published(self, event: Event) -> str:
        return looks.moment(event.published_at) if event.published_at else "not yet"


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnly, admin.ModelAdmin[DeadLetter]):
    list_display = ("event", "error", "died_at", "given_up_at")
    list_select_related = ("event",)
    search_fields = ("event__aggregateid",)
