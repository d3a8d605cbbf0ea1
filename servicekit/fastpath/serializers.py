"""One instance of each serializer, whose fields are picked out once, and an integer's bounds in one look.

Replaces `instance_of` of `servicekit.web.fields`, and `_writable_fields` and `run_validators` of its classes. Making an
instance copies every field, which takes longer than the validation itself.
"""

from functools import cache, cached_property
from typing import Any

from rest_framework import serializers

from servicekit.fastpath import put
from servicekit.web import fields


def install() -> None:
    # `run_validation` keeps nothing in the instance, so threads can share it; `is_valid` would.
    put(fields, instance_of=cache(fields.instance_of))
    writable = cached_property(_writable_fields)
    writable.__set_name__(fields.BodyIn, "_writable_fields")
    put(fields.BodyIn, _writable_fields=writable, run_validators=_run_validators_of_body)
    put(fields.StrictIntegerField, run_validators=_run_validators_of_integer)


def _writable_fields(self: Any) -> tuple[Any, ...]:
    return tuple(field for field in self.fields.values() if not field.read_only)


def _run_validators_of_body(self: Any, value: Any) -> None:
    """Without getting the body ready for validators of the whole, where it has none."""
    if self.validators:
        serializers.Serializer.run_validators(self, value)


def _run_validators_of_integer(self: Any, value: Any) -> None:
    """Its bounds in one look; what is beyond them, or has more to be held against, goes DRF's way."""
    least, most = self.min_value, self.max_value
    has_others = len(self.validators) > (least is not None) + (most is not None)
    if has_others or (least is not None and value < least) or (most is not None and value > most):
        serializers.IntegerField.run_validators(self, value)
