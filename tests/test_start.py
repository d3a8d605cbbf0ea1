"""What `make run` decides before it starts anything."""

import os

import pytest

import start


@pytest.mark.parametrize(
    ("available", "chosen"),
    [
        ({0}, {"order": 0, "payment": 0, "product": 0}),
        ({0, 1}, {"order": 0, "payment": 1, "product": 1}),
        ({2, 5, 7}, {"order": 2, "payment": 5, "product": 7}),
        ({0, 1, 2, 3}, {"order": 0, "payment": 1, "product": 2}),
    ],
    ids=["one", "two", "three of many", "four"],
)
def test_each_service_keeps_to_the_processor_with_the_least_work(
    monkeypatch: pytest.MonkeyPatch, available: set[int], chosen: dict[str, int]
) -> None:
    """Of those that we may use, which are not always the first ones; the order service works most."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: available, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", None, raising=False)
    assert start.processors({}) == chosen


def test_several_processes_of_a_service_are_left_to_spread() -> None:
    """Else they would have one processor between them."""
    assert start.processors({"WORKERS": "2"}) == {}


def test_a_system_that_binds_no_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows."""
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert start.processors({}) == {}
