"""What the bodies of a service have in them."""

from collections.abc import Iterator
from typing import Any

from rest_framework import serializers

from servicekit.web.fields import BodyIn, MoneyInField


def amounts_taken() -> set[str]:
    """The names of the fields that are amounts, of every body that is defined in this process."""
    fields = (field for body in _kinds_of(BodyIn) for field in body().fields.items())
    return {name for name, field in fields if isinstance(field, MoneyInField)}


def _kinds_of(body: type[serializers.Serializer[Any]]) -> Iterator[type[serializers.Serializer[Any]]]:
    for kind in body.__subclasses__():
        yield kind
        yield from _kinds_of(kind)
