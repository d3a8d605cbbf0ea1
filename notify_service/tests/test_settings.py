"""The settings and the file that explains them."""

import pytest
from django.core.management import CommandError, call_command

from notify_service import settings
from servicekit.tests.examples import assert_the_example_names_every_variable
from servicekit.tests.looking import assert_every_list_is_a_read


def test_the_example_file_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    # It asks no other service, and has no fast path.
    not_its_own = ("BREAKER_", "DOWNSTREAM_", "FASTPATH")
    assert_the_example_names_every_variable(settings, "notify_service", monkeypatch, also=not_its_own)


def test_every_list_has_slots_of_its_own() -> None:
    """A read never takes a slot from what moves something."""
    assert_every_list_is_a_read()


def test_its_command_needs_no_app_that_it_has_not() -> None:
    """Its work is to consume: what that imports asks for no table of a service that publishes."""
    with pytest.raises(CommandError, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        call_command("consume_events")
