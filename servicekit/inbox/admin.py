"""What was consumed and what is parked, in Django's admin, to search and to read."""

from django.contrib import admin

from servicekit.inbox.models import Consumed, Parked
from servicekit.web.admin import looks
from servicekit.web.admin.readonly import ReadOnly

looks.called(Consumed, "consumed event", "consumed events")
looks.called(Parked, "parked message", "parked messages: could not be taken")


@admin.register(Consumed)
class ConsumedAdmin(ReadOnly, admin.ModelAdmin[Consumed]):
    list_display = ("number", "consumer", "event_id", "source", "consumed_at")
    search_fields = ("=event_id",)
    show_full_result_count = False


@admin.register(Parked)
class ParkedAdmin(ReadOnly, admin.ModelAdmin[Parked]):
    list_display = ("number", "consumer", "reason", "topic", "partition", "offset", "parked_at", "replay_at")
    list_filter = ("consumer", "reason")
    show_full_result_count = False
