"""A circuit opens after failures in a row, rests, tries with one call, and closes by itself. The clock is ours."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from servicekit.load.circuit_breaker import TRANSITIONS, BreakerPolicy, CircuitBreaker, CircuitOpen, State, Trigger
from servicekit.load.dependency import FULL, OPEN, CallRejected, Dependency
from servicekit.tests.clocks import Clock

POLICY = BreakerPolicy(failures=3, within_s=10, open_s=2)


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(POLICY, clock=clock)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.record(breaker.admit(), succeeded=False)


def is_refused(breaker: CircuitBreaker) -> bool:
    try:
        breaker.record(breaker.admit(), succeeded=False)
    except CircuitOpen:
        return True
    return False


@pytest.mark.parametrize(("state", "trigger"), product(State, Trigger))
def test_only_what_the_table_says_moves_it(state: State, trigger: Trigger) -> None:
    """Four moves, and no state without a way out."""
    moves = {
        (State.CLOSED, Trigger.TOO_MANY_FAILURES): State.OPEN,
        (State.OPEN, Trigger.TIME_PASSED): State.HALF_OPEN,
        (State.HALF_OPEN, Trigger.TRIAL_SUCCEEDED): State.CLOSED,
        (State.HALF_OPEN, Trigger.TRIAL_FAILED): State.OPEN,
    }
    assert TRANSITIONS.get((state, trigger)) == moves.get((state, trigger))


def test_so_many_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    """And then nobody asks."""
    fail(breaker, 2)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.state is State.OPEN
    with pytest.raises(CircuitOpen):
        breaker.admit()


def test_a_success_in_between_begins_the_count_anew(breaker: CircuitBreaker) -> None:
    """Only a peer that never answers is not asked."""
    fail(breaker, 2)
    breaker.record(breaker.admit(), succeeded=True)
    fail(breaker, 2)
    assert breaker.state is State.CLOSED


def test_failures_far_apart_are_not_one_outage(breaker: CircuitBreaker, clock: Clock) -> None:
    """The oldest is forgotten when the newest comes later than `within_s`."""
    fail(breaker, 2)
    clock.now += 10.1
    fail(breaker)
    assert breaker.state is State.CLOSED


def test_after_its_rest_one_call_tries_and_its_success_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
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


def test_a_trial_that_fails_opens_it_again(breaker: CircuitBreaker, clock: Clock) -> None:
    """For as long as before."""
    fail(breaker, 3)
    clock.now += 2
    fail(breaker)
    assert breaker.state is State.OPEN
    clock.now += 1.9
    assert is_refused(breaker)


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_call_from_before_says_nothing_about_now(breaker: CircuitBreaker, clock: Clock, succeeded: bool) -> None:
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


def test_of_many_threads_one_tries(breaker: CircuitBreaker, clock: Clock) -> None:
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


def say_so(dependency: Dependency) -> None:
    with dependency.guard() as call:
        call.failed()


def raise_it(dependency: Dependency) -> None:
    with pytest.raises(ZeroDivisionError), dependency.guard():
        crash()


@pytest.mark.parametrize("call", [say_so, raise_it])
def test_a_call_that_fails_counts_and_releases_its_slot(call: Callable[[Dependency], None]) -> None:
    """Whether it says so or raises; the third opens the circuit, and what is refused then is nobody's room."""
    peer = Dependency("somebody", POLICY, calls=1, room_wait_s=0)
    for _ in range(3):
        call(peer)
    assert peer.state is State.OPEN
    for _ in range(3):
        with pytest.raises(CallRejected) as refusal, peer.guard():
            raise AssertionError
        assert refusal.value.reason == OPEN
    assert peer.has_room()


def test_no_more_than_so_many_wait_for_a_peer() -> None:
    """The next is not made, which is no failure of the peer's."""
    peer = Dependency("somebody slow", POLICY, calls=2, room_wait_s=0)
    with peer.guard(), peer.guard():
        assert not peer.has_room()
        for _ in range(5):
            with pytest.raises(CallRejected) as refusal, peer.guard():
                raise AssertionError
            assert refusal.value.reason == FULL
    assert peer.state is State.CLOSED
    assert peer.has_room()
