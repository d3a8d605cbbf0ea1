"""Card numbers are found however they are written, refused, and shown to nobody; other numbers are left alone."""

import json
import uuid
from datetime import datetime, timedelta, timezone

import pytest

from servicekit import cards
from servicekit.events.models import Event
from servicekit.idempotency.models import IdempotencyKey
from servicekit.tests.conftest import Api, LogLines

CARDS = [
    "4242424242424242",
    "4222222222222",
    "6304000000000000000",
    "3782 822463 10005",
    "4242-4242-4242-4242",
    "4242.4242.4242.4242",
    "4242 - 4242 - 4242 - 4242",
    "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
    "4242\u00a04242\u20134242\u22124242",
    "4242\u200b4242\u00ad4242\t4242",
    "card 4242-4242-4242-4242 thanks",
    "tok_4242424242424242",
    "x4242424242424242y",
    "no 1234 4242 4242 4242 4242 12/28",
    "4929/0137/1830/5629",
    "4929 / 0137 / 1830 / 5629",
    "4929_0137_1830_5629",
    "4929,0137,1830,5629",
    "4929;0137;1830;5629",
    "4929:0137:1830:5629",
    "4929|0137|1830|5629",
    "4929\\0137\\1830\\5629",
    "4929*0137+1830~5629",
    "4929\u00b70137\u20221830\u20445629",
    "4929\t0137\r\n1830\n5629",
    "4929\u20090137\u202f1830\u30005629",
    "4929\ufe0f0137\u034f1830\u180e5629",
    "4929%0137%1830%5629",
    "\u2463\u2461\u2463\u2461" * 4,
    "\u2074\u00b2\u2074\u00b2 \u2084\u2082\u2084\u2082 4242 4242",
    "3782/822463/10005",
    "4/9/2/9/0/1/3/7/1/8/3/0/5/6/2/9",
    "paid with 4929/0137/1830/5629 on 2026-11-30 at 10:11:12",
    "\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12",
    "\u0664\u0662\u0664\u0662 \u0664\u0662\u0664\u0662 \u0664\u0662\u0664\u0662 \u0664\u0662\u0664\u0662",
]
FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)
OTHERS = [
    "",
    "Alice",
    "tok_visa",
    "4242424242424243",
    "424242424242",
    "42424242424242424242",
    "4242 4242 x 4242 4242",
    "4929, 0137, 1830, 5629",
    "(4929) (0137) (1830) (5629)",
    "a=4929&b=0137&c=1830&d=5629",
    "+49 170 1234567",
    "42424242-4242-4242-4242-424242424242",
    "tok_5cf4e2d4-4242-4242-8242-424242424242",
    "9f8a4242424242424242c0ffee00000f",
]


@pytest.mark.parametrize("text", CARDS)
def test_a_card_number_is_found_however_it_is_written(text: str) -> None:
    """Solid or in groups, in the digits of any script, alone or within a text."""
    assert cards.looks_like_a_card_number(text)
    hidden = cards.masked(text)
    assert not cards.looks_like_a_card_number(hidden)
    assert len(hidden) == len(text)


def test_every_sign_that_means_a_digit_counts() -> None:
    """Whatever Unicode has of them, in the place of each of a card number's last digits."""
    signs = [sign for sign in map(chr, range(0x80, 0x20000)) if sign.isdigit()]
    assert len(signs) > 700
    for sign in signs:
        numbers = [f"424242424242424{digit}" for digit in range(10)]
        assert any(cards.looks_like_a_card_number(f"{number[:-2]}{sign}{number[-1]}") for number in numbers), ascii(
            sign
        )


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_no_card_number_is_left_alone(text: str) -> None:
    """Too short, too long, a wrong check digit; and what machines make ids of."""
    assert not cards.looks_like_a_card_number(text)
    assert cards.masked(text) == text


def test_no_moment_is_taken_for_a_card_number() -> None:
    """However it is written, alone or as the first or last of a time span: one in ten would be one by its digits."""
    moments = [FIRST + timedelta(days=n, seconds=n * 7919, microseconds=n * 104_729) for n in range(700)]
    forms = ["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f+00:00", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y"]
    texts = [f"{one:{form}} - {one + timedelta(hours=9):{form}}" for one in moments for form in forms]
    assert [text for text in texts if cards.looks_like_a_card_number(text)] == []


def test_the_text_around_a_card_number_stays() -> None:
    assert cards.masked("card 4242-4242-4242-4242 thanks") == "card ******************* thanks"


def test_no_id_of_ours_is_taken_for_a_card_number() -> None:
    """Among two thousand UUIDs, half of them without dashes, some have as many digits in a row."""
    ids = [uuid.UUID(int=n * 0x1234567890ABCDEF1234567890ABCDE % 2**128) for n in range(1_000)]
    assert [text for uid in ids for text in (str(uid), uid.hex) if cards.looks_like_a_card_number(text)] == []


def test_the_worst_text_that_fits_a_field_takes_no_time() -> None:
    """Each of its digits could begin a card number: the windows that are tried are counted, not the seconds."""
    text = "1 " * 127
    assert len(list(cards._found_in(text))) < len(text) * (cards.LONGEST - cards.SHORTEST + 1)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/things", "/at-once"])
@pytest.mark.parametrize("text", CARDS)
def test_a_card_number_is_refused_before_anything_is_kept_or_logged(
    api: Api, log_lines: LogLines, path: str, text: str
) -> None:
    """400 that names the field and does not repeat it; the key is free, and no line has the digits."""
    body = json.dumps({"name": "x", "note": text})
    answer = api.post(path, body, Idempotency_Key="k")
    assert (answer.status_code, answer.json()["fields"]) == (400, {"note": ["Must not have a card number in it."]})
    assert (Event.objects.count(), IdempotencyKey.objects.count()) == (0, 0)
    assert text not in str(log_lines())


def test_what_an_error_repeats_has_no_card_number_in_it(api: Api) -> None:
    """Neither a wrong value nor the name of a parameter."""
    answer = api.post("/fields", '{"name": "x", "shade": "4242 4242 4242 4242"}')
    assert answer.json()["fields"] == {"shade": ['"*******************" is not a valid choice.']}
    assert api.get("/list?4242424242424242=1").json()["fields"] == {
        "****************": ["Not a parameter of this list."]
    }


def test_a_card_number_in_a_path_is_not_logged(api: Api, log_lines: LogLines) -> None:
    """Whether there is such a path or not, nor one in a query; another id is."""
    api.get("/nothing/4242424242424242?card=4242424242424242")
    api.get("/list?name=4242424242424242")
    api.get("/raise/4242424242424242")
    api.get("/raise/4929%203327%204444%200014%20")
    api.get("/raise/x4929-3327_4444.0014")
    api.get("/raise/4929%25203327%25204444%25200014")
    api.get("/raise/4242424242424243")
    api.get("/raise/42424242-4242-4242-4242-424242424242")
    api.get("/nothing/" + "x" * 180 + "/4242424242424242")
    api.get("/nothing/123456789012/x/4242424242424242")
    assert [line["path"] for line in log_lines() if line["event"] == "request"] == [
        "/nothing/****************",
        "/list",
        "/raise/****************",
        "/raise/******************* ",
        "/raise/x*******************",
        "/raise/*******************",
        "/raise/4242424242424243",
        "/raise/42424242-4242-4242-4242-424242424242",
        "/nothing/" + "x" * 180 + "/" + "*" * 10,
        "/nothing/123456789012/x/****************",
    ]
