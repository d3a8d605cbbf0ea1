"""JSON in which a decimal stays a decimal: parsed from its own digits and written back as a raw number.

A float never appears in between, so `50.10` on the wire is `Decimal("50.10")` inside and `50.10` again on the wire.
"""

import json
import re
from codecs import BOM_UTF8
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

# Deep enough for any body of ours, shallow enough to stop a stack attack.
MAX_DEPTH: Final = 20
# Of a body that others send: what is built of a number takes up to fifty times the memory of its text. The largest body
# of ours has 100 lines; each of them may have 18 fields.
MAX_VALUES: Final = 2_000
_KEY_ENDS: Final = re.compile(rb'"[ \t\r\n]*:')
# One that does not end goes to the end of the text.
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)
_members_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _encode_other(value: object) -> Any:
    """Str subclasses (enum members, lazy translations, DRF's error details) as their text."""
    return str(value)


_encoder: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_other)
_sorted_encoder: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_other, order="sorted")


class MalformedJSON(ValueError):
    """Not JSON, not UTF-8, nested too deeply, or a number that no decimal can hold."""


class TooManyValues(MalformedJSON):
    """More values than are read: nothing was built of them. `member` is the one that has them, where one alone does."""

    def __init__(self, most: int, *, member: str | None) -> None:
        super().__init__(f"more than {most} values")
        self.member = member


def decode(body: bytes | str, *, max_depth: int | None = None) -> Any:
    """Parse a JSON document; numbers with a fraction or an exponent become `Decimal`.

    Raises:
        MalformedJSON: also for NaN and Infinity, which are not JSON, and for nesting beyond `max_depth` levels.
    """
    try:
        document = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise MalformedJSON(str(problem)) from problem
    except InvalidOperation as problem:
        raise MalformedJSON("a number's exponent is too large") from problem
    if max_depth is not None and _brackets_in(body) > max_depth and _is_deeper_than(document, max_depth):
        raise MalformedJSON(f"nested more than {max_depth} levels deep")
    return document


def decode_once(body: bytes, *, max_depth: int = MAX_DEPTH, max_values: int | None = None) -> Any:
    """Like `decode`, for what others send and answer: an object that has the same key twice is malformed, too.

    A byte order mark before the document says nothing. Raises TooManyValues, with `max_values`.

    The decoder keeps the last of such keys. There can be none where the text has only as many colons as the document
    has keys, or as many quotation marks before colons; only otherwise is it read again, by a decoder that tells.
    """
    body = body.removeprefix(BOM_UTF8)
    # A value and what ends it are two characters.
    if max_values is not None and len(body) > 2 * max_values and _has_more_values(body, max_values):
        raise TooManyValues(max_values, member=_member_with_more(body, max_values))
    document = decode(body, max_depth=max_depth)
    colons = body.count(b":")
    if colons < 2:
        return document
    is_flat = isinstance(document, dict) and body.count(b"{") == 1
    keys = len(document) if is_flat else _keys_in(document)
    if colons != keys and len(_KEY_ENDS.findall(body)) != keys:
        json.loads(body, object_pairs_hook=_object_of, parse_int=str, parse_float=str)
    return document


def object_in(text: str | None) -> dict[str, Any] | None:
    """The JSON object in a stored text; None where there is none to be read."""
    if text is None:
        return None
    try:
        document = decode(text)
    except MalformedJSON:
        return None
    return document if isinstance(document, dict) else None


def encode(document: object) -> bytes:
    """Write a JSON document; `Decimal` as a raw number with the digits it has, UUID and enum as text.

    A `msgspec.Raw` is embedded as it is.
    """
    return _encoder.encode(document)


def encode_sorted(document: object) -> bytes:
    """Like `encode`, with the keys of every object in order, so that equal documents give equal bytes."""
    return _sorted_encoder.encode(document)


def utc_text(moment: datetime | None) -> str | None:
    """A moment as ISO 8601 in UTC with a `Z`, microseconds only where there are any."""
    if moment is None:
        return None
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _has_more_values(body: bytes, most: int) -> bool:
    """Without building any. Those in texts are told apart only where there are too many with them."""
    return _values_in(body) > most and _values_in(_STRING.sub(b'""', body)) > most


def _values_in(body: bytes) -> int:
    """At most so many, however they are nested: each but the first has a comma before it, or an opening bracket."""
    return 1 + body.count(b",") + body.count(b"[") + body.count(b"{")


def _member_with_more(body: bytes, most: int) -> str | None:
    try:
        members = _members_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return next((name for name, text in members.items() if _has_more_values(bytes(text), most)), None)


def _keys_in(node: object) -> int:
    """How many keys there are in all objects of a document."""
    keys = len(node) if isinstance(node, dict) else 0
    for child in _children(node):
        if isinstance(child, (dict, list)):
            keys += _keys_in(child)
    return keys


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(made := dict(pairs)) != len(pairs):
        raise MalformedJSON("an object has the same key twice")
    return made


def _brackets_in(body: bytes | str) -> int:
    """What opens in a text, which cannot be nested more deeply than that."""
    return body.count("[") + body.count("{") if isinstance(body, str) else body.count(b"[") + body.count(b"{")


def _is_deeper_than(document: object, levels: int) -> bool:
    layer = [document]
    for _ in range(levels + 1):
        layer = [child for node in layer for child in _children(node)]
        if not layer:
            return False
    return True


def _children(node: object) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
