"""The settings and the file that explains them."""

import pytest
from django.core.management import CommandError, call_command

from notify_service import settings
from servicekit.tests.examples import assert_the_example_names_every_variable


def test_the_example_file_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_the_example_names_every_variable(
        settings, "notify_service", monkeypatch, also=("REQUESTS_AT_ONCE", "READS_AT_ONCE"), is_served=False
    )


def test_its_command_needs_no_app_that_it_has_not() -> None:
    """Its work is to consume: what that imports asks for no table of a service with HTTP."""
    with pytest.raises(CommandError, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        call_command("consume_events")
