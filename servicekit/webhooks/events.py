"""The event that tells of an endpoint, and its payload, as data. docs/asyncapi/events.yaml says the same."""

from collections.abc import Mapping
from typing import Final, TypedDict

AGGREGATE: Final = "webhook"
DISABLED: Final = "webhook.disabled"


class Disabled(TypedDict):
    """What it says: which endpoint, and why. Of its URL only the host: the rest may be its secret."""

    endpoint_id: str
    host: str
    reason: str
    failing_since: str | None


PAYLOADS: Final[Mapping[str, type]] = {DISABLED: Disabled}
