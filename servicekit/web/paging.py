"""A list in pages: by number, with a total, or each behind the last row of the one before, by a cursor.

Pages by number count rows from the front, so a row that arrives there while somebody turns them shifts all others, and
the last page costs more than the first. A cursor says behind which row to go on: nothing is shown twice or left out,
and each page costs the same.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, ClassVar, Final, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from servicekit import exactjson
from servicekit.web.fields import MAX_ID, QueryIn

# Characters; ours are shorter.
MAX_CURSOR_LENGTH: Final = 200
# Hexadecimal digits that tell one list from another. Against mistakes only: a cursor opens nothing.
_LIST_DIGITS: Final = 12

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Listed(Generic[Row]):
    """The rows of a page, how many fit in all (None behind a cursor), and whether there is another page."""

    rows: Sequence[Row]
    total: int | None
    has_more: bool


@dataclass(frozen=True)
class Place:
    """Which page of which list is asked for.

    `behind` is the position of the row before it, empty for the first one, None where `page` counts.
    """

    per_page: int
    page: int
    behind: tuple[Any, ...] | None
    list_id: str

    @property
    def start(self) -> int:
        return (self.page - 1) * self.per_page

    def body(
        self,
        listed: Listed[Row],
        items: Sequence[Any],
        *,
        position: Callable[[Row], tuple[Any, ...]] = lambda row: (row.pk,),
    ) -> dict[str, Any]:
        """The answer. `position` says where a row stands in the list's order: by its primary key, unless said."""
        following = _encode(self.list_id, position(listed.rows[-1])) if listed.has_more and listed.rows else None
        if self.behind is not None:
            return {"items": items, "per_page": self.per_page, "next_cursor": following}
        body = {"items": items, "page": self.page, "per_page": self.per_page, "total": listed.total}
        return body if following is None else {**body, "next_cursor": following}


class PagedIn(QueryIn):
    # The parameters of a list. No docstring: the OpenAPI document would show it for each of them.

    # Neither trimmed nor taken for empty: what is there must be a cursor.
    cursor = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_CURSOR_LENGTH,
        help_text=(
            "In place of `page`: the `next_cursor` of the page before, with the same filters; empty for the first one. "
            "New rows shift nothing then, and every page costs the same."
        ),
    )
    # What it is a list of: a cursor is none for another list, though that has the same filters.
    of: ClassVar[str]
    # What tells where a row stands in the list, in its order.
    position: ClassVar[tuple[type, ...]] = (int,)

    def place(self, attrs: Mapping[str, Any], *, filters: Mapping[str, Any]) -> Place:
        """The page that is asked for.

        Args:
            filters: Whatever makes this list another than the next one, its order included.
        """
        behind, list_id = None, _list_id({**filters, "": self.of})
        if "cursor" in attrs and "page" in attrs:
            raise serializers.ValidationError({"cursor": ["Either a cursor or a page, not both."]})
        if "cursor" in attrs:
            behind = _decode(attrs["cursor"], list_id, self.position) if attrs["cursor"] else ()
        return Place(attrs["per_page"], attrs.get("page", 1), behind, list_id)


class PageOut(serializers.Serializer[Any]):
    # A page of a list, to which a subclass adds its items. No docstring: the OpenAPI document would show it.

    page = serializers.IntegerField(min_value=1, required=False, help_text="Not behind a cursor.")
    per_page = serializers.IntegerField(min_value=1)
    total = serializers.IntegerField(min_value=0, required=False, help_text="Not behind a cursor.")
    next_cursor = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="For the page that follows. Null or missing: there is none.",
    )


def page_of(rows: QuerySet[Row], place: Place, *, newest_first: bool) -> Listed[Row]:
    """A page of rows in order of their primary key; one behind the last is empty."""
    in_order = rows.order_by("-pk" if newest_first else "pk")
    if place.behind is None:
        return numbered(in_order, place, total=rows.count())
    if place.behind:
        in_order = in_order.filter(**{"pk__lt" if newest_first else "pk__gt": place.behind[0]})
    return behind(in_order, per_page=place.per_page)


def behind(rows: QuerySet[Row], *, per_page: int) -> Listed[Row]:
    """A page of rows that are in order and begin where the page does."""
    found = list(rows[: per_page + 1])
    return Listed(found[:per_page], None, has_more=len(found) > per_page)


def numbered(rows: QuerySet[Row], place: Place, *, total: int) -> Listed[Row]:
    """A page of rows that are in order."""
    found = list(rows[place.start : place.start + place.per_page])
    return Listed(found, total, has_more=place.start + len(found) < total)


def _list_id(filters: Mapping[str, Any]) -> str:
    # The elements of a set have no order, least of all the same one in two processes.
    said = [(name, sorted(value) if isinstance(value, (set, frozenset)) else value) for name, value in filters.items()]
    return hashlib.sha256(repr(sorted(said)).encode()).hexdigest()[:_LIST_DIGITS]


def _encode(list_id: str, position: tuple[Any, ...]) -> str:
    cells = [cell.isoformat() if isinstance(cell, datetime) else cell for cell in position]
    return base64.urlsafe_b64encode(exactjson.encode([list_id, *cells])).decode().rstrip("=")


def _decode(text: str, list_id: str, position: tuple[type, ...]) -> tuple[Any, ...]:
    try:
        said = exactjson.decode(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (exactjson.MalformedJSON, binascii.Error, ValueError):
        said = None
    cells = said[1:] if isinstance(said, list) and len(said) == 1 + len(position) else None
    if cells is None or not isinstance(said[0], str):
        raise serializers.ValidationError({"cursor": ["Not a cursor of this service."]})
    if said[0] != list_id:
        raise serializers.ValidationError({"cursor": ["Of another list: the filters must stay as they were."]})
    found = tuple(_cell(cell, kind) for cell, kind in zip(cells, position, strict=True))
    if None in found:
        raise serializers.ValidationError({"cursor": ["Not a cursor of this service."]})
    return found


def _cell(cell: Any, kind: type) -> Any:
    """The value; None where it is no such one."""
    if kind is int:
        return cell if isinstance(cell, int) and not isinstance(cell, bool) and 0 <= cell <= MAX_ID else None
    try:
        moment = parse_datetime(cell) if isinstance(cell, str) else None
        return moment.astimezone(timezone.utc) if moment is not None and moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
