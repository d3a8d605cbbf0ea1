"""The gate counts right whatever happens: no place is lost, none is there twice, nobody waits for a free one."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nightly
from servicekit.load.limiter import IN_FLIGHT, WAITED, Full, Gate

# Longer than any thread here works.
PATIENCE_S = 30.0


def free_places(gate: Gate) -> int:
    """How many can be taken without waiting."""
    taken = 0
    try:
        while True:
            gate.take(wait_s=0)
            taken += 1
    except Full:
        for _ in range(taken):
            gate.give()
    return taken


def test_more_than_fit_in_are_refused_at_once() -> None:
    """Until somebody goes."""
    gate = Gate(places=1, in_flight=2)
    gate.arrive()
    gate.arrive()
    with pytest.raises(Full) as refusal:
        gate.arrive()
    assert refusal.value.reason == IN_FLIGHT
    gate.depart()
    gate.arrive()


def test_full_and_unmoved_it_is_stuck() -> None:
    """For as long as nobody has come or gone; who is refused has not come, and where there is room nothing is stuck."""
    now = 0.0
    gate = Gate(places=1, in_flight=2, clock=lambda: now)
    gate.arrive()
    now = 10.0
    assert gate.stuck_for_s() == 0
    gate.arrive()
    now = 25.0
    with pytest.raises(Full):
        gate.arrive()
    assert gate.stuck_for_s() == 15
    gate.depart()
    gate.arrive()
    assert gate.stuck_for_s() == 0


def test_who_waits_in_vain_is_refused_and_takes_no_place() -> None:
    """The place that comes free afterwards is there for the next."""
    gate = Gate(places=1, in_flight=9)
    assert gate.take(wait_s=0) is False
    with pytest.raises(Full) as refusal:
        gate.take(wait_s=0.01)
    assert refusal.value.reason == WAITED
    gate.give()
    assert free_places(gate) == 1


def test_whoever_comes_back_goes_first() -> None:
    """A place that comes free goes to work that was begun, before what came earlier and has not been begun."""
    gate = Gate(places=1, in_flight=9)
    gate.take(wait_s=0)
    order: list[str] = []

    def newcomer() -> None:
        gate.take(wait_s=PATIENCE_S)
        order.append("newcomer")
        gate.give()

    def returner() -> None:
        gate.take_again()
        order.append("returner")
        gate.give()

    threads = [threading.Thread(target=newcomer), threading.Thread(target=returner)]
    threads[0].start()
    while not gate._newcomers:
        time.sleep(0)
    threads[1].start()
    while not gate._coming_back:
        time.sleep(0)
    gate.give()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == ["returner", "newcomer"]


def test_no_more_than_the_places_work_at_once_and_none_is_lost() -> None:
    """Forty threads take, give, go elsewhere, come back and run out of patience, thousands of times."""
    gate = Gate(places=3, in_flight=1000)
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
                gate.take(wait_s=chance.choice([0, 1e-4, 1e-3, PATIENCE_S]))
            except Full:
                refused += 1
                continue
            work(chance)
            if chance.random() < 0.5:
                gate.give()
                gate.take_again()
                work(chance)
            gate.give()
        return refused

    with ThreadPoolExecutor(40) as pool:
        refused = sum(pool.map(run, range(40)))
    assert most == 3
    assert refused > 0
    assert free_places(gate) == 3


@nightly.examples(100)
@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.sampled_from(["arrive", "depart", "take", "give"])))
def test_it_counts_like_two_numbers(places: int, in_flight: int, steps: list[str]) -> None:
    """One thread, any order of steps that make sense: refused exactly when there is no more."""
    gate, here, working = Gate(places=places, in_flight=in_flight), 0, 0
    for step in steps:
        if step == "arrive":
            if here == in_flight:
                with pytest.raises(Full):
                    gate.arrive()
            else:
                gate.arrive()
                here += 1
        elif step == "take":
            if working == places:
                with pytest.raises(Full):
                    gate.take(wait_s=0)
            else:
                gate.take(wait_s=0)
                working += 1
        elif step == "depart" and here:
            gate.depart()
            here -= 1
        elif step == "give" and working:
            gate.give()
            working -= 1
    assert free_places(gate) == places - working
