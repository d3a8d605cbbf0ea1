"""For models that people may search and read in Django's admin, but that only the services may write."""

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """Put before `ModelAdmin` or an inline: no adding, changing or deleting."""

    def has_add_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False
