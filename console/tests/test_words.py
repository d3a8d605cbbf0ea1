"""Every word that a service can say has its words here."""

import re
from pathlib import Path

import yaml

from console.pages import story, words

ROOT = Path(__file__).resolve().parents[2]


def test_every_token_of_the_bank_is_in_the_shop() -> None:
    """Those that docs/gateways.md lists, and no other."""
    page = (ROOT / "docs" / "gateways.md").read_text()
    listed = set(re.findall(r"^\| `(tok_\w+)`", page, re.MULTILINE))
    assert listed
    assert set(words.TOKENS) == listed, "TOKENS of console/pages/words.py says in words what each does"
    assert set(words.USUAL_TOKENS) < set(words.TOKENS)


def test_every_state_has_a_word_a_sign_and_a_tone() -> None:
    """Of an order, and of a payment at every door; no two signs that say opposite things are alike."""
    names = {"PENDING", "PAID", "CANCELLED", "REFUNDED"}
    document = yaml.safe_load((ROOT / "docs" / "openapi" / "payment_service.yaml").read_text())
    for schema in ("PaymentsStatus", "ChargesStatus", "ProcessStatus"):
        names |= {status.upper() for status in document["components"]["schemas"][schema]["enum"]}
    assert names <= set(words.STATES), "STATES of console/pages/words.py lacks a state"
    assert not {each.sign for each in words.STATES.values() if each.tone == "good"} & {
        each.sign for each in words.STATES.values() if each.tone == "bad"
    }


def test_every_event_has_a_title() -> None:
    """Those that docs/asyncapi/events.yaml names of orders and payments."""
    text = (ROOT / "docs" / "asyncapi" / "events.yaml").read_text()
    named = set(re.findall(r"const: ((?:order|payment)\.\w+)", text)) or set(
        re.findall(r"\b((?:order|payment)\.[a-z_]+)\b", text)
    )
    known = set(story._ORDER_EVENTS) | set(story._PAYMENT_EVENTS)
    assert {name for name in named if name.count(".") == 1} - known <= {"payment.id", "order.id"}, (
        "console/pages/story.py"
    )


def test_what_is_new_is_shown_as_it_is() -> None:
    """A state or a cause that nobody has put into words yet breaks nothing."""
    assert words.state("ON_HOLD").label == "On hold"
    assert (words.cause("new_reason"), words.cause(None)) == ("new reason", "")
    assert (words.actor("shop"), words.actor(None)) == ("shop", "not recorded")
