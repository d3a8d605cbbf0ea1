"""For models that people may search and read in Django's admin, but that only the services may write."""

from typing import Any, ClassVar

from django.http import HttpRequest

# What the filters beside a list ask for, and nothing that would find a value out letter by letter.
_FILTERED_BY = frozenset({"", "exact", "isnull", "gte", "lt", "in"})


class OnlyItsFilters:
    """Put before `ModelAdmin`: a list can be filtered by what stands in `list_filter`.

    Django lets the query filter by any column, `?token__startswith=a` among them, also by one that is never shown.
    """

    list_filter: ClassVar[Any]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        column, _, how = lookup.partition("__")
        # A filter of our own is a class, and known by its parameter's name.
        known = {getattr(each, "parameter_name", each) for each in self.list_filter}
        return column in known and how in _FILTERED_BY


class NeverByHand(OnlyItsFilters):
    """Each row has counters or others elsewhere that must change together with it: no adding, no deleting."""

    def has_add_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False


class ReadOnly(NeverByHand):
    """Put before `ModelAdmin` or an inline: no adding, changing or deleting."""

    def has_change_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False
