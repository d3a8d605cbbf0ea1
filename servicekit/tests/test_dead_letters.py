"""What is dead can be seen, replayed in order, and given up."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from servicekit.events import outbox
from servicekit.events.models import DeadLetter, Event
from servicekit.tests.conftest import Api
from servicekit.tests.publishing import TOO_LARGE, FakeBroker, RelayAt, append

pytestmark = pytest.mark.django_db


def dead_letters(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("dead_letters", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture
def broker() -> FakeBroker:
    """Refuses the first event of two orders; two more wait behind the one, none behind the other."""
    for sequence in (1, 2, 3):
        append(f"first.{sequence}", subject="o-1", sequence=sequence)
    append("second.1", subject="o-2")
    append("third.1", subject="o-3")
    broker = FakeBroker(refuses={"first.1": TOO_LARGE, "second.1": TOO_LARGE})
    relays = RelayAt(broker)
    for _ in range(2):
        relays.run_after(1)
    assert broker.taken == ["third.1"]
    return broker


def position_of(event_type: str) -> str:
    return str(Event.objects.get(type=event_type).position)


def test_they_are_listed(broker: FakeBroker) -> None:
    """With what each is, why it is dead, and how many wait behind it."""
    first, second, total = dead_letters()
    assert first.startswith(f"{position_of('first.1')}  first.1  order o-1 #1  ")
    assert first.endswith("Z  dead, 2 wait behind it: Broker: Message size too large")
    assert "dead, 0 wait behind it" in second
    assert total == "2 dead, 2 in the list"


def test_a_replayed_one_is_published_first(broker: FakeBroker) -> None:
    """Then those that waited, in order; the other dead one is left alone."""
    broker.refuses = {}
    assert dead_letters("--replay", position_of("first.1")) == ["1 to be tried again"]
    RelayAt(broker).run_once()
    assert broker.taken == ["third.1", "first.1", "first.2", "first.3"]
    assert [letter.event.type for letter in DeadLetter.objects.all()] == ["second.1"]


def test_all_can_be_replayed(broker: FakeBroker) -> None:
    """Oldest first."""
    broker.refuses = {}
    assert dead_letters("--replay", "all") == ["2 to be tried again"]
    RelayAt(broker).run_once()
    assert broker.taken == ["third.1", "first.1", "first.2", "first.3", "second.1"]
    assert dead_letters() == ["0 dead, 0 in the list"]


def test_one_that_is_refused_again_is_dead_again(broker: FakeBroker) -> None:
    """And nothing has got past it."""
    dead_letters("--replay", "all")
    relays = RelayAt(broker)
    for _ in range(3):
        relays.run_after(1)
    assert broker.taken == ["third.1"]
    assert outbox.dead_and_held(at_most=10) == (2, 2)


def test_one_that_is_given_up_stays_in_the_list(broker: FakeBroker) -> None:
    """It is never published; those behind it are."""
    assert dead_letters("--give-up", position_of("first.1")) == ["1 given up"]
    RelayAt(broker).run_once()
    assert broker.taken == ["third.1", "first.2", "first.3"]
    first, _, total = dead_letters()
    assert "given up: Broker: Message size too large" in first
    assert total == "1 dead, 2 in the list"
    assert outbox.dead_and_held(at_most=10) == (1, 0)


def test_one_that_was_given_up_is_not_replayed(broker: FakeBroker) -> None:
    """It would come behind events that came after it."""
    dead_letters("--give-up", position_of("first.1"))
    with pytest.raises(CommandError, match="there is no dead event at position"):
        dead_letters("--replay", position_of("first.1"))


@pytest.mark.parametrize("given", ["", "one", "-1", "1.5"])
def test_only_a_position_is_taken(given: str) -> None:
    """Whatever else is said plainly."""
    with pytest.raises(CommandError, match="a position from the list, or all"):
        dead_letters(f"--replay={given}")


def test_metrics_tell_them_apart(broker: FakeBroker, api: Api) -> None:
    """A dead event does not hide how far publishing is behind."""
    append("fourth.1", subject="o-4")
    lines = api.get("/metrics").content.decode().splitlines()
    assert {"events_unsent 1.0", "events_dead 2.0", "events_held 2.0"} <= set(lines)
