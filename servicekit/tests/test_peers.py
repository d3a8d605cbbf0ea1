"""What another service answers, read strictly: the right value, or `Unusable`, and never something else."""

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from servicekit.http import peers
from servicekit.http.client import Reply
from servicekit.http.peers import Unusable


@pytest.mark.parametrize(
    ("given", "read"),
    [(5, "5.00"), (Decimal("5.1"), "5.10"), ("5.10", "5.10"), (Decimal("1E+2"), "100.00"), (0, "0.00"), ("-0", "0.00")],
)
def test_an_amount_is_a_number_or_the_same_digits_quoted(given: Any, read: str) -> None:
    """With two decimals, whatever it was written as."""
    assert str(peers.amount({"price": given}, "price")) == read


@pytest.mark.parametrize(
    "given",
    [True, False, None, [], {}, "", " 5", "5_0", "\u0665", "+5", "1e2", ".5", "5.", "NaN", "-1", -1, Decimal("-0.01")],
)
def test_what_is_no_amount_is_not_read_as_one(given: Any) -> None:
    """No flag, no digits of another script, nothing below zero."""
    with pytest.raises(Unusable, match="price"):
        peers.amount({"price": given}, "price")


def test_an_amount_fits_its_currency() -> None:
    """Where the caller knows it."""
    assert str(peers.amount({"a": 20}, "a", currency="JPY")) == "20.00"
    with pytest.raises(Unusable, match=r"a: JPY has no decimals\."):
        peers.amount({"a": Decimal("19.99")}, "a", currency="JPY")
    assert peers.amount({"a": -5}, "a", may_be_negative=True) == -5


@pytest.mark.parametrize("given", [True, "1", Decimal("1.0"), None, 0, 11, 2**70])
def test_a_whole_number_is_a_json_integer_within_bounds(given: Any) -> None:
    """No flag, no text, no fraction."""
    assert peers.whole_number({"n": 10}, "n", least=1, most=10) == 10
    with pytest.raises(Unusable, match="n is no whole number from 1 to 10"):
        peers.whole_number({"n": given}, "n", least=1, most=10)


@pytest.mark.parametrize("parent", [None, [], "text", 7, True])
def test_a_member_of_no_object_is_missing(parent: Any) -> None:
    """Whatever stands in its place."""
    with pytest.raises(Unusable, match="no object where name should be"):
        peers.member(parent, "name")
    with pytest.raises(Unusable, match="name is missing"):
        peers.member({}, "name")


def test_a_list_is_no_longer_than_what_was_asked_for() -> None:
    """Its length is looked at before anything in it."""
    assert peers.members({"items": [1, 2]}, "items", at_most=2) == [1, 2]
    for given in ([1, 2, 3], (1, 2), {"0": 1}, "ab", None):
        with pytest.raises(Unusable):
            peers.members({"items": given}, "items", at_most=2)


def test_a_reason_never_shows_what_was_answered() -> None:
    """It ends up in the log."""
    for given in ("4242424242424242", ["4242424242424242"], {"a": "4242424242424242"}):
        for read in (peers.amount, peers.currency, peers.uuid_text):
            with pytest.raises(Unusable) as refusal:
                read({"field": given}, "field")
            assert "4242" not in refusal.value.why


@pytest.mark.parametrize(
    ("status", "body", "is_missing"),
    [
        (404, {"error": "Order not found"}, True),
        (404, {"error": "Order not found", "code": "order_not_found"}, True),
        (404, {"detail": "Not found."}, True),
        (404, {}, True),
        (404, None, True),
        (404, {"error": "Not found", "code": "not_found"}, False),
        (404, {"detail": "Not Found"}, False),
        (404, ["not found"], False),
        (404, "not found", False),
        (410, {"error": "Order not found"}, False),
        (200, None, False),
    ],
)
def test_what_is_not_there_is_told_from_a_wrong_address(status: int, body: Any, is_missing: bool) -> None:
    """A framework's own 404 says nothing of what was asked for."""
    assert peers.is_missing(Reply(status, body)) is is_missing


@pytest.mark.parametrize(
    ("given", "read"), [("x_1.a-B", "x_1.a-B"), ("", "none"), ("two words", "none"), (7, "none"), ("x" * 65, "none")]
)
def test_a_code_is_a_word_fit_to_be_kept(given: Any, read: str) -> None:
    """Else it counts as none."""
    assert peers.code(given, otherwise="none") == read
    assert peers.code_of(Reply(400, {"code": given}), otherwise="none") == read
    assert peers.code_of(Reply(400, [given]), otherwise="none") == "none"


def test_ids_are_compared_as_text_in_any_capitals() -> None:
    """Only the id that was asked for will do."""
    uid = "c1a2b3d4-e5f6-7890-abcd-ef1234567890"
    peers.expect({"id": uid.upper()}, "id", uid)
    assert peers.uuid_text({"id": uid.upper()}, "id") == uid
    for given in (uid.replace("-", ""), f"{{{uid}}}", uid + "\n", None, 7, [uid]):
        with pytest.raises(Unusable):
            peers.expect({"id": given}, "id", uid)
        with pytest.raises(Unusable):
            peers.uuid_text({"id": given}, "id")


def test_a_card_number_in_a_text_is_not_kept() -> None:
    """Stars for its digits, whatever stands between them; a code that is one is none."""
    assert peers.text({"name": "Mouse 4242-4242-4242-4242 x"}, "name") == f"Mouse {'*' * 19} x"
    assert peers.text({"name": "4242\u0000424242424242"}, "name") == "*" * 17
    assert peers.text({"name": "Mouse 4242424242424241"}, "name") == "Mouse 4242424242424241"
    assert peers.code("4242424242424242", otherwise="failed") == "failed"


def test_an_address_is_one_that_a_browser_can_be_sent_to() -> None:
    """Of http or https, without a blank or a script, and no longer than a column."""
    assert peers.web_address({"url": "https://bank.example/3ds?x=1"}, "url") == "https://bank.example/3ds?x=1"
    for given in (
        "javascript:alert(1)",
        "//bank",
        "http://",
        "http://a b",
        "http://a\n",
        "https://" + "x" * 2041,
        7,
        None,
    ):
        with pytest.raises(Unusable):
            peers.web_address({"url": given}, "url")


def test_a_moment_has_its_zone() -> None:
    """ISO 8601 as the services write it."""
    at = datetime(2025, 11, 10, 12, 20, tzinfo=timezone.utc)
    assert peers.moment({"at": "2025-11-10T12:20:00Z"}, "at") == at
    assert peers.moment({"at": "2025-11-10T13:20:00.000000+01:00"}, "at") == at
    for given in ("2025-11-10T12:20:00", "2025-11-10", "soon", "", "\u0662025-11-10T12:20:00Z", 7, None):
        with pytest.raises(Unusable):
            peers.moment({"at": given}, "at")
