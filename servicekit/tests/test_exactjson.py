"""Decimals go through JSON with every digit they have, and nothing that is no JSON gets in."""

import enum
import json
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nightly
from servicekit import exactjson


@nightly.examples(100)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**10), max_value=10**10))
def test_a_decimal_comes_back_with_the_digits_it_had(amount: Decimal) -> None:
    """Encoding and decoding lose and add nothing, trailing zeros included."""
    written = exactjson.encode({"amount": amount})
    assert written == b'{"amount":%s}' % str(amount).encode()
    assert str(exactjson.decode(written)["amount"]) == str(amount)


def test_digits_that_no_float_holds_survive() -> None:
    """A float never stands between the wire and the decimal."""
    assert exactjson.decode(b"[0.1000000000000000055511151231257827, 1e-30]") == [
        Decimal("0.1000000000000000055511151231257827"),
        Decimal("1e-30"),
    ]


def test_whole_numbers_of_any_size_stay_integers() -> None:
    """An id beyond 64 bits arrives as itself, for the fields to refuse."""
    assert exactjson.decode(b"[1, 18446744073709551616]") == [1, 2**64]
    assert isinstance(exactjson.decode(b"1"), int)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"01",
        b"[1 2]",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b"1e999999999999999999999",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_is_refused(document: bytes) -> None:
    """Malformed, not UTF-8, not a finite number, nested without end: one error for all of it."""
    with pytest.raises(exactjson.MalformedJSON):
        exactjson.decode(document)


def test_depth_is_bounded_where_asked() -> None:
    """Exactly `max_depth` levels are allowed, one more is not."""
    assert exactjson.decode("[" * 3 + "]" * 3, max_depth=3) == [[[]]]
    assert exactjson.decode('{"a":{"b":[1]}}', max_depth=3) == {"a": {"b": [1]}}
    for document in ("[" * 4 + "1" + "]" * 4, '{"a":{"b":{"c":{"d":1}}}}'):
        with pytest.raises(exactjson.MalformedJSON, match="nested more than 3 levels deep"):
            exactjson.decode(document, max_depth=3)


def test_ids_enum_members_and_ready_json_are_written() -> None:
    """What our answers are made of is written as text, and a stored answer as it was stored."""

    class Status(str, enum.Enum):
        PAID = "PAID"

    document = {"id": uuid.UUID(int=7), "status": Status.PAID, "stored": msgspec.Raw(b'{"amount":1.50}')}
    expected = b'{"id":"00000000-0000-0000-0000-000000000007","status":"PAID","stored":{"amount":1.50}}'
    assert exactjson.encode(document) == expected


def test_sorted_documents_are_equal_whatever_order_they_came_in() -> None:
    """Equal content gives equal bytes, at every level; other content does not."""
    one = exactjson.encode_sorted({"b": [{"y": 1, "x": 2}], "a": Decimal("1.50")})
    other = exactjson.encode_sorted({"a": Decimal("1.50"), "b": [{"x": 2, "y": 1}]})
    assert one == other == b'{"a":1.50,"b":[{"x":2,"y":1}]}'
    assert exactjson.encode_sorted({"a": [1, 2]}) != exactjson.encode_sorted({"a": [2, 1]})


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (datetime(2025, 11, 10, 12, 5, tzinfo=timezone.utc), "2025-11-10T12:05:00Z"),
        (datetime(2025, 11, 10, 12, 5, 0, 7, tzinfo=timezone.utc), "2025-11-10T12:05:00.000007Z"),
        (datetime(2025, 11, 10, 14, 5, tzinfo=timezone(timedelta(hours=2))), "2025-11-10T12:05:00Z"),
    ],
)
def test_moments_are_written_in_utc(moment: datetime | None, text: str | None) -> None:
    """ISO 8601 with a Z, whatever zone the moment was in."""
    assert exactjson.utc_text(moment) == text


@pytest.mark.parametrize(
    "document",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{ "a" : 1, "a"\n:\t2 }',
        b'{"a":1,"\\u0061":2}',
        b'[{"a":1},{"b":{"c":[{"d":1,"d":2}]}}]',
        b'{"a":":","a":1}',
        b'{"a":"\\":","a":1}',
        b'{"":1,"":2}',
    ],
)
def test_a_key_that_comes_twice_is_malformed(document: bytes) -> None:
    """At any depth, however the key or what is around it is written."""
    with pytest.raises(exactjson.MalformedJSON, match="an object has the same key twice"):
        exactjson.decode_once(document, max_depth=20)


@nightly.examples(100)
@given(
    st.recursive(
        st.text(alphabet='":\\ a\n\u00e9', max_size=5) | st.integers(0, 9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='":\\ ab', max_size=3), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from([(",", ":"), (" , ", " : ")]),
)
def test_no_other_document_is_taken_for_one(document: object, separators: tuple[str, str]) -> None:
    """Whatever looks like a key within its texts."""
    text = json.dumps(document, separators=separators).encode()
    assert exactjson.decode_once(text, max_depth=20) == document


MANY = [
    b"[" + b"1e5," * 15_000 + b"1]",
    b'{"a":[' + b"1e5," * 15_000 + b'1],"b":1}',
    b"{" + b",".join(b'"%d":1' % n for n in range(6_000)) + b"}",
    b'{"a":{"b":[' + b"[]," * 15_000 + b"{}]}}",
    b'{"a":"' + b'\\"' * 9 + b'","b":[' + b'"",' * 15_000 + b'""]}',
    b"[" * 5_000 + b"]" * 5_000,
    b"[" + b"1e5," * 15_000,
    b"[" + b"1e5," * 15_000 + b'"\\"',
]


@pytest.mark.parametrize("body", MANY)
def test_more_values_than_are_read_are_counted_before_any_is_built(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers, keys, lists and texts, at any depth, in what is no JSON too."""
    monkeypatch.setattr(exactjson, "decode", None)
    with pytest.raises(exactjson.TooManyValues, match="more than 2000 values"):
        exactjson.decode_once(body, max_values=2_000)


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b'{"b":[1,2],"a":[' + b"1," * 3_000 + b"1]}", "a"),
        (b'{"b":"' + b"," * 3_000 + b'","a":{"c":[' + b"1," * 3_000 + b"1]}}", "a"),
        (b'{"a":[' + b"1," * 1_500 + b'1],"b":[' + b"1," * 1_500 + b"1]}", None),
        (b"[" + b"1," * 3_000 + b"1]", None),
        (b'{"a":[' + b"1," * 3_000, None),
    ],
)
def test_the_member_that_has_too_many_values_is_named(body: bytes, member: str | None) -> None:
    with pytest.raises(exactjson.TooManyValues) as problem:
        exactjson.decode_once(body, max_values=2_000)
    assert problem.value.member == member


def test_as_many_values_as_are_read_are_read() -> None:
    """The list is one of them; commas and brackets in a text are none."""
    assert len(exactjson.decode_once(b"[" + b"1.5," * 1_997 + b"1]", max_values=2_000)) == 1_998
    text = ',[{\\"' * 5_000
    assert exactjson.decode_once(b'["%s"]' % text.encode(), max_values=2_000) == [text.replace("\\", "")]
    order = {"items": [{f"field{n}": 1 for n in range(18)} for _ in range(100)]}
    assert exactjson.decode_once(exactjson.encode(order), max_values=exactjson.MAX_VALUES) == order
