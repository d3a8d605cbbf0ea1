"""docs/asyncapi/events.yaml knows every event that this service can tell of."""

from pathlib import Path

import yaml

from payment_service.payments import events
from payment_service.payments.states import BLOCKED_EVENTS, DISPUTE_CLOSED, DISPUTED, EVENTS, REFUND_FAILED, TAKEN_UP
from servicekit.tests.documents import assert_documented, assert_payloads_documented
from servicekit.webhooks import events as webhooks

# What the gateway says later.
LATER = (DISPUTED, DISPUTE_CLOSED, REFUND_FAILED)
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "asyncapi" / "events.yaml"


def test_every_event_type_is_documented() -> None:
    """And none that there is not; what is really sent is checked across the services."""
    document = yaml.safe_load(DOCUMENT.read_text())
    messages = document["components"]["messages"]
    names = [each["$ref"].rpartition("/")[2] for each in document["channels"]["payments"]["messages"].values()]
    assert_documented(
        "payment_service/payments/states.py",
        documented=[messages[name]["name"] for name in names],
        told={*EVENTS.values(), *BLOCKED_EVENTS.values(), TAKEN_UP, *LATER, *webhooks.PAYLOADS},
    )


def test_every_payload_is_documented() -> None:
    """To the field, and whether it is always there."""
    document = yaml.safe_load(DOCUMENT.read_text())
    assert set(events.PAYLOADS) == {*EVENTS.values(), *BLOCKED_EVENTS.values(), TAKEN_UP, *LATER}
    assert_payloads_documented("payment_service/payments/events.py", events.PAYLOADS, document=document)
