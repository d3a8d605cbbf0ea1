"""The strict fields take what the contract says and refuse everything that merely looks like it."""

import json
from typing import Any

import pytest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.test import override_settings
from rest_framework.exceptions import ValidationError

from servicekit.tests import urls
from servicekit.tests.conftest import Api
from servicekit.web.fields import StrictIntegerField


def post(api: Api, field: str, value: str) -> Any:
    given = f'"{field}": {value}' if field == "name" else f'"name": "x", "{field}": {value}'
    return api.post("/fields", "{" + given + "}")


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("name", '"abcde"', '"abcde"'),
        ("name", '"  a  "', '"a"'),
        ("name", '"\\u00e9\\ud83d\\ude00"', '"é😀"'),
        ("amount", "50", "50.00"),
        ("amount", "50.1", "50.10"),
        ("amount", '"50.00"', "50.00"),
        ("amount", "5e1", "50.00"),
        ("amount", "0", "0.00"),
        ("amount", "9999999999.99", "9999999999.99"),
        ("count", "9223372036854775807", "9223372036854775807"),
        ("currency", '"eur"', '"EUR"'),
    ],
)
def test_what_the_contract_allows_is_taken(api: Api, field: str, value: str, accepted: str) -> None:
    """Exact on the way in and out."""
    answer = post(api, field, value)
    assert answer.status_code == 200
    assert f'"{field}":{accepted}' in answer.content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "5"),
        ("name", "true"),
        ("name", "null"),
        ("name", '["a"]'),
        ("name", "{}"),
        ("name", '""'),
        ("name", '"   "'),
        ("name", '"abcdef"'),
        ("name", '"a\\u0000b"'),
        ("amount", "true"),
        ("amount", "null"),
        ("amount", '""'),
        ("amount", '"abc"'),
        ("amount", '"NaN"'),
        ("amount", '"Infinity"'),
        ("amount", '"1e5"'),
        ("amount", '" 5"'),
        ("amount", '"٣"'),
        ("amount", "[5]"),
        ("amount", "5.001"),
        ("amount", "1e-30"),
        ("amount", "-0.01"),
        ("amount", "10000000000"),
        ("amount", "1e400"),
        ("amount", "1" * 900),
        ("count", "true"),
        ("count", '"1"'),
        ("count", "1.0"),
        ("count", "0"),
        ("count", "9223372036854775808"),
        ("count", "1e3"),
        ("currency", '"u\u017fd"'),
        ("currency", '"\uff35\uff33\uff24"'),
        ("currency", '"dollars"'),
        ("currency", '"XXX"'),
        ("currency", "840"),
    ],
)
def test_anything_else_is_a_400_that_names_the_field(api: Api, field: str, value: str) -> None:
    """Never a crash, and never a value that was quietly turned into another."""
    answer = post(api, field, value)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["fields"]) == [field]


UNSEEN = "\u200b \u200c \u200d \u2060 \ufeff \u00ad \u200e \u202e \u2028 \x01 \x7f \x85 \u2800 \u3164 \ufe0f \U000e0041"


@pytest.mark.parametrize("text", [*UNSEEN.split(" "), UNSEEN[:5], " \u200b ", "\t\u00a0\ufeff\n"])
def test_a_text_of_which_nothing_is_to_be_seen_is_blank(api: Api, text: str) -> None:
    """Refused where there must be one, and none where there may be none."""
    answer = post(api, "name", json.dumps(text))
    assert (answer.status_code, answer.json()["fields"]) == (400, {"name": ["This field may not be blank."]})
    answer = post(api, "note", json.dumps(text))
    assert (answer.status_code, answer.json()["fields"]) == (400, {"note": ["This field may not be blank."]})


@pytest.mark.parametrize("text", ["\u200ba", "\u0645\u200c", "\u2764\ufe0f", "\u65e5", "."])
def test_a_text_with_something_to_be_seen_is_taken_as_it_is(api: Api, text: str) -> None:
    """What joins letters, and what says how one is drawn, belong to it."""
    assert post(api, "name", json.dumps(text)).json() == {"name": text}


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", "true", "[{}]"])
def test_a_body_that_is_no_object_is_refused(api: Api, body: str) -> None:
    """400, whatever JSON it is."""
    answer = api.post("/fields", body)
    assert answer.status_code == 400
    assert set(answer.json()) >= {"error", "code"}


def test_unknown_fields_are_ignored(api: Api) -> None:
    """A client may send more than this version knows."""
    answer = api.post("/fields", json.dumps({"name": "x", "colour": "red"}))
    assert (answer.status_code, answer.json()) == (200, {"name": "x"})


def test_an_integer_is_held_against_more_than_its_bounds_where_there_is_more() -> None:
    def even(number: int) -> None:
        if number % 2:
            raise ValidationError("Not even.")

    field = StrictIntegerField(min_value=2, max_value=8, validators=[even, MinValueValidator(2), MaxValueValidator(8)])
    assert field.run_validation(4) == 4
    for wrong, sentence in ((3, "Not even."), (10, "less than or equal to 8"), (0, "greater than or equal to 2")):
        with pytest.raises(ValidationError, match=sentence):
            field.run_validation(wrong)


def test_a_list_is_measured_before_its_elements_are_looked_at(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and not an element was touched; the longest list is."""
    looked_at: list[Any] = []
    monkeypatch.setattr(urls.PartIn, "run_validation", lambda _self, data: looked_at.append(data) or {})
    body = json.dumps({"name": "x", "parts": [{}] * 51})
    with override_settings(MAX_BODY_BYTES=100_000):
        refused = api.post("/fields", body)
        assert looked_at == []
        assert api.post("/fields", json.dumps({"name": "x", "parts": [{}] * 50})).status_code == 200
    assert refused.json()["fields"] == {"parts": ["Ensure this field has no more than 50 elements."]}
    assert len(looked_at) == 50


@pytest.mark.parametrize("field", ["parts", "nobodys"])
@pytest.mark.parametrize("value", ["1e5", "{}", '"a"', '{"count": 1}'])
def test_a_field_with_more_values_than_are_read_is_named(api: Api, field: str, value: str) -> None:
    """400, for a field that nobody knows too, and before anything is built of it."""
    body = f'{{"name": "x", "{field}": [{", ".join([value] * 4_000)}]}}'
    with override_settings(MAX_BODY_BYTES=100_000):
        answer = api.post("/fields", body)
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error": f"{field}: Must not have more than 2000 values.",
            "code": "invalid",
            "fields": {field: ["Must not have more than 2000 values."]},
        },
    )


def test_at_most_twenty_errors_are_listed(api: Api) -> None:
    """The first of them."""
    answer = api.post("/fields", json.dumps({"name": "x", "parts": [{}] * 50}))
    assert list(answer.json()["fields"]) == [f"parts.{n}.count" for n in range(20)]
    many = api.get("/list?" + "&".join(f"x{n}=1" for n in range(500)))
    assert list(many.json()["fields"]) == [f"x{n}" for n in range(20)]


def test_what_a_client_sent_is_not_repeated_at_length(api: Api) -> None:
    """Neither a value, a parameter's name, a method nor a type of body."""
    long = "y" * 700
    answers = [
        api.post("/fields", json.dumps({"name": "x", "shade": long})),
        api.get(f"/list?{long * 10}=1"),
        api.request("Y" * 700, "/fields"),
        api.post("/fields", "{}", content_type=f"text/{long}"),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 405, 415]
    assert all(len(answer.content) < 700 for answer in answers)


@pytest.mark.parametrize(
    "moment",
    ["\uff12\uff10\uff12\uff15-01-01T00:00:00Z", "2025-01-01T0\u0663:00:00Z", "2025-01-01T00:00:00\u2212\u0661"],
)
def test_a_moment_has_the_digits_of_ascii(api: Api, moment: str) -> None:
    """400, where the same in ASCII is taken."""
    assert api.get("/list?since=2025-01-01T03:00:00Z").json() == {"since": "2025-01-01T03:00:00Z"}
    answer = api.get("/list", query={"since": moment})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["since"])
