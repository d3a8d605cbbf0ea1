"""The limiter counts right whatever happens: no slot is lost, none is there twice, nobody waits for a free one."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nightly
from servicekit.load.limiter import IN_FLIGHT, WAITED, ConcurrencyLimiter, Full

# Longer than any thread here works.
PATIENCE_S = 300.0


def free_slots(limiter: ConcurrencyLimiter) -> int:
    """How many can be taken without waiting."""
    taken = 0
    try:
        while True:
            limiter.acquire(wait_s=0)
            taken += 1
    except Full:
        for _ in range(taken):
            limiter.release()
    return taken


def test_more_than_fit_in_are_refused_at_once() -> None:
    """Until somebody goes."""
    limiter = ConcurrencyLimiter(slots=1, in_flight=2)
    limiter.enter()
    limiter.enter()
    with pytest.raises(Full) as refusal:
        limiter.enter()
    assert refusal.value.reason == IN_FLIGHT
    limiter.leave()
    limiter.enter()


def test_full_and_unmoved_it_is_stuck() -> None:
    """For as long as nobody has come or gone; who is refused has not come, and where there is room nothing is stuck."""
    now = 0.0
    limiter = ConcurrencyLimiter(slots=1, in_flight=2, clock=lambda: now)
    limiter.enter()
    now = 10.0
    assert limiter.stuck_for_s() == 0
    limiter.enter()
    now = 25.0
    with pytest.raises(Full):
        limiter.enter()
    assert limiter.stuck_for_s() == 15
    limiter.leave()
    limiter.enter()
    assert limiter.stuck_for_s() == 0


def test_who_waits_in_vain_is_refused_and_takes_no_slot() -> None:
    """The slot that comes free afterwards is there for the next."""
    limiter = ConcurrencyLimiter(slots=1, in_flight=9)
    assert limiter.acquire(wait_s=0) is False
    with pytest.raises(Full) as refusal:
        limiter.acquire(wait_s=0.01)
    assert refusal.value.reason == WAITED
    limiter.release()
    assert free_slots(limiter) == 1


def test_who_acquires_again_goes_first() -> None:
    """A slot that comes free goes to work that was begun, before what came earlier and has not been begun."""
    limiter = ConcurrencyLimiter(slots=1, in_flight=9)
    limiter.acquire(wait_s=0)
    order: list[str] = []

    def newcomer() -> None:
        limiter.acquire(wait_s=PATIENCE_S)
        order.append("newcomer")
        limiter.release()

    def returner() -> None:
        limiter.acquire_again()
        order.append("returner")
        limiter.release()

    threads = [threading.Thread(target=newcomer), threading.Thread(target=returner)]
    threads[0].start()
    while not limiter._newcomers:
        time.sleep(0)
    threads[1].start()
    while not limiter._returning:
        time.sleep(0)
    limiter.release()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == ["returner", "newcomer"]


def test_no_more_than_the_slots_work_at_once_and_none_is_lost() -> None:
    """Forty threads acquire, release, acquire again and run out of patience, thousands of times."""
    limiter = ConcurrencyLimiter(slots=3, in_flight=1000)
    working, most, lock = 0, 0, threading.Lock()

    def work(chance: random.Random) -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(chance.random() * 1e-4)
        with lock:
            working -= 1

    def run(seed: int) -> int:
        chance, refused = random.Random(seed), 0
        for _ in range(100):
            try:
                limiter.acquire(wait_s=chance.choice([0, 1e-4, 1e-3, PATIENCE_S]))
            except Full:
                refused += 1
                continue
            work(chance)
            if chance.random() < 0.5:
                limiter.release()
                limiter.acquire_again()
                work(chance)
            limiter.release()
        return refused

    with ThreadPoolExecutor(40) as pool:
        refused = sum(pool.map(run, range(40)))
    assert most == 3
    assert refused > 0
    assert free_slots(limiter) == 3


@nightly.examples(100)
@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.sampled_from(["enter", "leave", "acquire", "release"])))
def test_it_counts_like_two_numbers(slots: int, in_flight: int, steps: list[str]) -> None:
    """One thread, any order of steps that make sense: refused exactly when there is no more."""
    limiter, here, working = ConcurrencyLimiter(slots=slots, in_flight=in_flight), 0, 0
    for step in steps:
        if step == "enter":
            if here == in_flight:
                with pytest.raises(Full):
                    limiter.enter()
            else:
                limiter.enter()
                here += 1
        elif step == "acquire":
            if working == slots:
                with pytest.raises(Full):
                    limiter.acquire(wait_s=0)
            else:
                limiter.acquire(wait_s=0)
                working += 1
        elif step == "leave" and here:
            limiter.leave()
            here -= 1
        elif step == "release" and working:
            limiter.release()
            working -= 1
    assert free_slots(limiter) == slots - working
