"""What several processes agree on is the database's time."""

from datetime import datetime, timedelta

import pytest
from django.db.models import Value
from django.db.models.functions import Now

from servicekit.db import clock
from servicekit.events.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def moments() -> tuple[datetime, datetime, datetime]:
    """Half a minute ago, now and a day from now, all read at once."""
    Event.objects.create(aggregatetype="thing", aggregateid="1", sequence=1, type="thing.seen", payload="{}")
    asked = (clock.seconds_from_now(-30.5), Now(), clock.seconds_from_now(86_400))
    before, now, later = Event.objects.values_list(*asked).get()
    return before, now, later


def test_it_is_the_databases_time_and_the_seconds_on_top(moments: tuple[datetime, datetime, datetime]) -> None:
    """To the millisecond, backwards too."""
    before, now, after = moments
    for found, seconds in ((before, -30.5), (after, 86_400)):
        assert abs(found - now - timedelta(seconds=seconds)) < timedelta(milliseconds=2)


@pytest.mark.parametrize(("seconds", "is_due"), [(-0.01, True), (0, True), (3600, False)])
def test_what_was_written_is_due_when_that_time_has_come(seconds: float, is_due: bool) -> None:
    """Compared with the database's present time, as whoever claims a row does."""
    Event.objects.create(aggregatetype="thing", aggregateid="1", sequence=1, type="thing.seen", payload="{}")
    Event.objects.update(published_at=clock.seconds_from_now(seconds))
    assert Event.objects.filter(published_at__lte=Now()).exists() is is_due
    assert Event.objects.filter(published_at__gt=Now() + Value(timedelta(seconds=1800))).exists() is not is_due
