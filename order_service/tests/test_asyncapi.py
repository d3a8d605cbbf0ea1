"""docs/asyncapi/events.yaml knows every event that this service can tell of."""

from pathlib import Path

import yaml

from order_service.orders import events
from order_service.orders.ops.audit.replay import BRINGS
from servicekit.tests.documents import assert_documented, assert_payloads_documented
from servicekit.webhooks import events as webhooks

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "asyncapi" / "events.yaml"


def test_every_event_type_is_documented() -> None:
    """And none that there is not; what is really sent is checked across the services."""
    document = yaml.safe_load(DOCUMENT.read_text())
    messages = document["components"]["messages"]
    names = [each["$ref"].rpartition("/")[2] for each in document["channels"]["orders"]["messages"].values()]
    assert_documented(
        "order_service/orders/events.py",
        documented=[messages[name]["name"] for name in names],
        told={*events.PAYLOADS, *webhooks.PAYLOADS},
    )


def test_every_payload_is_documented() -> None:
    """To the field, and whether it is always there."""
    document = yaml.safe_load(DOCUMENT.read_text())
    assert_payloads_documented("order_service/orders/events.py", events.PAYLOADS, document=document)
    assert_payloads_documented("servicekit/webhooks/events.py", webhooks.PAYLOADS, document=document)


def test_the_replay_knows_every_event() -> None:
    """One that it does not know could not be understood."""
    unknown = sorted(set(events.PAYLOADS) ^ set(BRINGS))
    assert not unknown, f"each needs a line in PAYLOADS of events.py and in BRINGS of ops/audit/replay.py: {unknown}"
