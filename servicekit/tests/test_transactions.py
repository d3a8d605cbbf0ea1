"""A short transaction that the database undid for the sake of another one is run again, and nothing else is."""

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from servicekit.db.transactions import gave_way, in_one_transaction, run_again
from servicekit.tests.models import Sample


class Undone(Exception):
    """As psycopg says it."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("deadlock detected")
        self.sqlstate = sqlstate


def postgresql(sqlstate: str) -> OperationalError:
    problem = OperationalError("deadlock detected")
    problem.__cause__ = Undone(sqlstate)
    return problem


CONFLICTS = [
    postgresql("40001"),
    postgresql("40P01"),
    OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction"),
    OperationalError(1205, "Lock wait timeout exceeded; try restarting transaction"),
]
OTHERS = [
    postgresql("55P03"),  # a lock was not to be had in time
    postgresql("57014"),  # the statement took too long
    OperationalError(2013, "Lost connection to MySQL server during query"),
    OperationalError("database is locked"),
    OperationalError(),
]


class Script:
    """Fails with each of the problems in turn, then returns."""

    def __init__(self, *problems: Exception) -> None:
        self.problems = list(problems)
        self.runs = 0
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> str:
        self.runs += 1
        if self.problems:
            raise self.problems.pop(0)
        return "written"

    def run(self, *, takes_s: float = 0.0) -> str:
        def once() -> str:
            self.now += takes_s
            return self()

        return run_again(once, clock=lambda: self.now, sleep=self.waits.append, jitter=lambda: 1.0)


@pytest.mark.parametrize("problem", CONFLICTS, ids=str)
def test_who_gave_way_tries_again(problem: OperationalError) -> None:
    """After a short wait."""
    script = Script(problem, problem)
    assert (script.run(), script.runs, script.waits) == ("written", 3, [0.005, 0.01])


@pytest.mark.parametrize("problem", OTHERS, ids=str)
def test_any_other_failure_is_one(problem: OperationalError) -> None:
    """What it left behind is not known, or it would only fail again."""
    script = Script(problem)
    with pytest.raises(OperationalError) as raised:
        script.run()
    assert (raised.value, script.runs, script.waits) == (problem, 1, [])
    assert not gave_way(problem)


def test_it_is_not_tried_for_ever() -> None:
    """Five times."""
    script = Script(*CONFLICTS, *CONFLICTS)
    with pytest.raises(OperationalError):
        script.run()
    assert (script.runs, len(script.waits)) == (5, 4)


def test_a_long_wait_for_a_lock_is_not_repeated() -> None:
    """The time for all tries is shorter than the one for a lock."""
    script = Script(*CONFLICTS)
    with pytest.raises(OperationalError):
        script.run(takes_s=2.0)
    assert (script.runs, script.waits) == (1, [])


@pytest.mark.django_db(transaction=True)
def test_each_run_starts_from_nothing() -> None:
    """What was written before it gave way is gone."""
    problems = [CONFLICTS[0], CONFLICTS[2]]

    @in_one_transaction
    def write(name: str) -> int:
        Sample.objects.create(name=name)
        if problems:
            raise problems.pop()
        return Sample.objects.count()

    assert write("one") == 1
    assert Sample.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_refusal_writes_nothing() -> None:
    """And is not run again."""
    runs = []

    @in_one_transaction
    def write() -> None:
        runs.append(1)
        Sample.objects.create(name="one")
        Sample.objects.create(name="one")

    with pytest.raises(IntegrityError):
        write()
    assert (len(runs), Sample.objects.count()) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_part_is_run_again_with_the_whole() -> None:
    """The database undid all of it, so the part alone would write on without the rest."""
    problems, runs = [CONFLICTS[1]], []

    @in_one_transaction
    def part() -> None:
        runs.append("part")
        Sample.objects.create(name="part")
        if problems:
            raise problems.pop()

    @in_one_transaction
    def whole() -> None:
        runs.append("whole")
        Sample.objects.create(name="whole")
        part()

    whole()
    assert runs == ["whole", "part", "whole", "part"]
    assert set(Sample.objects.values_list("name", flat=True)) == {"whole", "part"}


@pytest.mark.django_db(transaction=True)
def test_what_must_last_is_no_part_of_anything() -> None:
    """Else it would be gone when the rest fails."""
    write = in_one_transaction(durable=True)(Sample.objects.create)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        write(name="one")
    write(name="two")
    assert [sample.name for sample in Sample.objects.all()] == ["two"]
    assert not connection.in_atomic_block
