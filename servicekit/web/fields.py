"""DRF set up for exact JSON: parser, renderer, content negotiation, strict fields, and the settings that name them."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from servicekit import cards, exactjson, money
from servicekit.texts import is_blank, is_uuid

# The largest key that a BIGINT column holds; a larger one would be an error in the database instead of a 4xx.
MAX_ID: Final = 2**63 - 1
_PLAIN_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_PLAIN_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


class ExactJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return document_in(stream.read())


def document_in(body: bytes) -> Any:
    """What a request's body says. Raises DRF's ParseError, or ValidationError for a field with too many values."""
    try:
        return exactjson.decode_once(body, max_values=exactjson.MAX_VALUES)
    except exactjson.TooManyValues as problem:
        if problem.member is None:
            raise ParseError(f"Malformed JSON: {problem}") from problem
        raise ValidationError({problem.member: [f"Must not have {problem}."]}) from problem
    except exactjson.MalformedJSON as problem:
        raise ParseError(f"Malformed JSON: {problem}") from problem


class ExactJSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else exactjson.encode(data)


class AlwaysTheFirst(BaseContentNegotiation):
    """JSON whatever `Accept` asks for; a client that sends `text/html` still gets an answer that it can read."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class StrictCharField(serializers.CharField):
    """Text only: a number is not quietly turned into its digits, and what has nothing to be seen in it is none."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation("" if isinstance(data, str) and is_blank(data) else data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class FreeTextField(StrictCharField):
    """Text that is written freely, and kept: no card number may be in it (`servicekit.cards`)."""

    default_error_messages = {"card_number": cards.SENTENCE}

    def run_validators(self, value: Any) -> None:
        super().run_validators(value)  # the length first
        if cards.looks_like_a_card_number(value):
            self.fail("card_number")


class BoundedListField(serializers.ListField):
    """A list whose length is looked at before its elements are: they may be as many as a body has room for."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and len(data) > (self.max_length or 0):
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer only: no `"1"`, no `1.0`, no `true`."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class QueryIdField(StrictCharField):
    """An id in a query string, a UUID as it is kept: a path takes one in capitals, too."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        return text.lower() if is_uuid(text) else text


class QueryIntegerField(serializers.IntegerField):
    """A whole number in a query string, in ASCII digits: Python's `int` takes `1_0` and the digits of any script."""

    def to_internal_value(self, data: Any) -> int:
        if not _PLAIN_INTEGER.fullmatch(data):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field(
    {
        # Not `oneOf`: in a query string the same digits are both.
        "anyOf": [
            {"type": "number", "maximum": 9999999999.99, "minimum": -9999999999.99},
            {"type": "string", "pattern": r"^-?[0-9]{1,10}(\.[0-9]{1,2})?$"},
        ],
    }
)
class MoneyInField(serializers.DecimalField):
    """An amount on its way in: a JSON number, or the same digits quoted. At most two decimals and twelve digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, **options)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, (int, Decimal, str)):
            self.fail("invalid")
        if isinstance(data, str) and not _PLAIN_DECIMAL.fullmatch(data):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.NUMBER)
class MoneyOutField(serializers.DecimalField):
    """An amount on its way out: a JSON number with exactly two decimals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_digits=money.MAX_DIGITS, decimal_places=money.DECIMAL_PLACES, coerce_to_string=False, **options
        )


# A `+` in a query string is a blank.
_BLANK_OF_A_PLUS: Final = re.compile(r".*:[0-9]{2}(\.[0-9]+)? [0-9]{2}(:?[0-9]{2})?", re.ASCII)
PLUS: Final = "In a query string + is a blank; write it as %2B."


def has_lost_its_plus(text: str) -> bool:
    """Whether a time in a query string ends like one whose offset had a `+`."""
    return _BLANK_OF_A_PLUS.fullmatch(text) is not None


class QueryMomentField(serializers.DateTimeField):
    """A date and time in a query string, in ASCII digits: Python's own patterns take those of any script."""

    default_error_messages = {"plus": PLUS}

    def to_internal_value(self, data: Any) -> datetime:
        try:
            return self._moment(data)
        except serializers.ValidationError:
            if has_lost_its_plus(data):
                self.fail("plus")
            raise

    def _moment(self, data: Any) -> datetime:
        if not data.isascii():
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]")
        return super().to_internal_value(data)


def ascii_upper(text: str) -> str:
    """The text in capitals when it is ASCII, else as it is: other letters may become ASCII in capitals."""
    return text.upper() if text.isascii() else text


class CurrencyField(StrictCharField):
    """An ISO 4217 code; small letters are accepted."""

    default_error_messages = {"currency": "Not an ISO 4217 currency code."}

    def to_internal_value(self, data: Any) -> str:
        code = ascii_upper(super().to_internal_value(data))
        if not money.is_currency(code):
            self.fail("currency")
        return code


class BodyIn(serializers.Serializer[Any]):
    # A request's body, or an object within it. No docstring: the OpenAPI document would show it for each of them.
    pass


class OptionalBodyIn(BodyIn):
    # A body that may be left out. `null` is none, too, which the OpenAPI document says (`apidocs.complete`).

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation({} if data is None else data)


class QueryIn(serializers.Serializer[Any]):
    """Query parameters. One that is not known is refused like one that is wrong: a filter is never ignored."""

    def to_internal_value(self, data: Any) -> Any:
        wrong = {name or "=": ["Not a parameter of this list."] for name in data if name not in self.fields}
        wrong |= {
            name: ["Given more than once."] for name in data if name in self.fields and len(data.getlist(name)) > 1
        }
        if wrong:
            raise serializers.ValidationError(wrong)
        # As a plain dict: DRF takes an empty value in a query string for one that is not there.
        return super().to_internal_value(dict(data.items()))


def parsed(serializer: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """The validated data. Raises DRF's ValidationError, which becomes a 400 that names the field."""
    return dict(instance_of(serializer).run_validation(data))


def refuse_parameters(data: Any) -> None:
    """For a list that takes no query parameters. Raises DRF's ValidationError for whatever is given."""
    parsed(QueryIn, data)


def instance_of(serializer: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """One to validate with."""
    return serializer()
