"""A circuit opens after failures in a row, rests, tries with one call, and closes by itself. The clock is ours."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from servicekit.load.circuit_breaker import TRANSITIONS, Breaker, BreakerPolicy, CircuitOpen, Seen, State
from servicekit.load.dependency import FULL, OPEN, Downstream, NotAsked

POLICY = BreakerPolicy(failures=3, within_s=10, open_s=2)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(POLICY, clock=clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.record(breaker.admit(), succeeded=False)


def is_refused(breaker: Breaker) -> bool:
    try:
        breaker.record(breaker.admit(), succeeded=False)
    except CircuitOpen:
        return True
    return False


@pytest.mark.parametrize(("state", "seen"), product(State, Seen))
def test_only_what_the_table_says_moves_it(state: State, seen: Seen) -> None:
    """Four moves, and no state without a way out."""
    moves = {
        (State.CLOSED, Seen.TOO_MANY_FAILURES): State.OPEN,
        (State.OPEN, Seen.TIME_PASSED): State.HALF_OPEN,
        (State.HALF_OPEN, Seen.TRIAL_SUCCEEDED): State.CLOSED,
        (State.HALF_OPEN, Seen.TRIAL_FAILED): State.OPEN,
    }
    assert TRANSITIONS.get((state, seen)) == moves.get((state, seen))


def test_so_many_failures_in_a_row_open_it(breaker: Breaker) -> None:
    """And then nobody asks."""
    fail(breaker, 2)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.state is State.OPEN
    with pytest.raises(CircuitOpen):
        breaker.admit()


def test_a_success_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    """Only a peer that never answers is not asked."""
    fail(breaker, 2)
    breaker.record(breaker.admit(), succeeded=True)
    fail(breaker, 2)
    assert breaker.state is State.CLOSED


def test_failures_far_apart_are_not_one_outage(breaker: Breaker, clock: Clock) -> None:
    """The oldest is forgotten when the newest comes later than `within_s`."""
    fail(breaker, 2)
    clock.now += 10.1
    fail(breaker)
    assert breaker.state is State.CLOSED


def test_after_its_rest_one_call_tries_and_its_success_closes_it(breaker: Breaker, clock: Clock) -> None:
    """While it tries nobody else asks."""
    fail(breaker, 3)
    clock.now += 1.9
    assert is_refused(breaker)
    clock.now += 0.1
    assert breaker.state is State.HALF_OPEN
    trial = breaker.admit()
    assert is_refused(breaker)
    breaker.record(trial, succeeded=True)
    assert breaker.state is State.CLOSED
    fail(breaker, 2)
    assert breaker.state is State.CLOSED


def test_a_trial_that_fails_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    """For as long as before."""
    fail(breaker, 3)
    clock.now += 2
    fail(breaker)
    assert breaker.state is State.OPEN
    clock.now += 1.9
    assert is_refused(breaker)


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_call_from_before_says_nothing_about_now(breaker: Breaker, clock: Clock, succeeded: bool) -> None:
    """It was admitted before the circuit opened, and ends while another tries: neither the trial's end nor a count."""
    late = breaker.admit()
    fail(breaker, 3)
    breaker.record(late, succeeded=succeeded)
    assert breaker.state is State.OPEN
    clock.now += 2
    trial = breaker.admit()
    breaker.record(late, succeeded=succeeded)
    assert breaker.state is State.HALF_OPEN
    breaker.record(trial, succeeded=True)
    assert breaker.state is State.CLOSED


def test_of_many_threads_one_tries(breaker: Breaker, clock: Clock) -> None:
    """However many ask in the same moment."""
    fail(breaker, 3)
    clock.now += 2
    start = threading.Barrier(20)

    def ask(_: int) -> bool:
        start.wait()
        try:
            breaker.admit()
        except CircuitOpen:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(ask, range(20))) == 1


def crash() -> None:
    raise ZeroDivisionError


def say_so(downstream: Downstream) -> None:
    with downstream.visit() as visit:
        visit.failed()


def raise_it(downstream: Downstream) -> None:
    with pytest.raises(ZeroDivisionError), downstream.visit():
        crash()


@pytest.mark.parametrize("visit", [say_so, raise_it])
def test_a_visit_that_fails_counts_and_gives_its_room_back(visit: Callable[[Downstream], None]) -> None:
    """Whether it says so or raises; the third opens the circuit, and what is refused then is nobody's room."""
    peer = Downstream("somebody", POLICY, calls=1, room_wait_s=0)
    for _ in range(3):
        visit(peer)
    assert peer.state is State.OPEN
    for _ in range(3):
        with pytest.raises(NotAsked) as refusal, peer.visit():
            raise AssertionError
        assert refusal.value.reason == OPEN
    assert peer.has_room()


def test_no_more_than_so_many_wait_for_a_peer() -> None:
    """The next is not made, which is no failure of the peer's."""
    peer = Downstream("somebody slow", POLICY, calls=2, room_wait_s=0)
    with peer.visit(), peer.visit():
        assert not peer.has_room()
        for _ in range(5):
            with pytest.raises(NotAsked) as refusal, peer.visit():
                raise AssertionError
            assert refusal.value.reason == FULL
    assert peer.state is State.CLOSED
    assert peer.has_room()
