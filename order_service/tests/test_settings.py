"""Settings that contradict each other stop the start with a sentence."""

from typing import Any

import pytest
from django.core import checks


def found(identifier: str) -> list[str]:
    return [message.msg for message in checks.run_checks() if message.id == identifier]


def test_defaults_agree() -> None:
    """No check of ours complains."""
    assert [message.id for message in checks.run_checks() if str(message.id).startswith("orders.")] == []


@pytest.mark.parametrize(("lease_s", "complains"), [(21.0, True), (21.1, False)])
def test_lease_must_outlive_a_run(settings: Any, lease_s: float, complains: bool) -> None:
    """17 s for the order and 2 s for each of two follow-ups."""
    settings.ORDER_LEASE_S = lease_s
    assert bool(found("orders.E001")) is complains


@pytest.mark.parametrize(("deadline_s", "complains"), [(17.0, True), (16.9, False)])
def test_reserving_must_leave_time_for_paying(settings: Any, deadline_s: float, complains: bool) -> None:
    """The product deadline is inside the order's."""
    settings.PRODUCT_DEADLINE_S = deadline_s
    assert bool(found("orders.E002")) is complains
