"""The control room: what waits for a person, what is unfinished, how it goes, and whether the books are right."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

import orderpay
from console.pages import live, sampling, sent, words
from console.pages.services import NAMES, Asked, ask, looking, names

UNFINISHED_SHOWN: Final = 12


@require_safe
def room(request: HttpRequest) -> HttpResponse:
    return render(request, "console/control.html", {**_now(), "refresh_s": 15})


@require_safe
def room_live(request: HttpRequest) -> HttpResponse:
    return live.part(request, "console/_control.html", _now())


@require_safe
def invariants(request: HttpRequest) -> HttpResponse:
    """Run every invariant of all services now, side by side."""
    client = looking()
    with ThreadPoolExecutor(len(NAMES)) as pool:
        found = list(pool.map(lambda name: ask(lambda: _checked(client, name), of=name), NAMES))
    reports = [(NAMES[name], each.value, each.problem) for name, each in zip(NAMES, found, strict=True)]
    return render(request, "console/invariants.html", {"reports": reports})


def _checked(client: orderpay.Client, name: str) -> orderpay.Report:
    return client.operations[name].invariants(quiet_for=180)


def _now() -> dict[str, Any]:
    asked = _asked(looking())
    dead = [
        (of, each)
        for of in ("orders", "payments")
        for each in asked[f"dead_{of}"].value or ()
        if each.given_up_at is None
    ]
    parked = [each for each in asked["parked"].value or () if each.replay_at is None]
    unfinished, unfinished_total = asked["unfinished"].value or ((), None)
    blocked = asked["blocked"].value or ()
    unsent = asked["unsent"].value or ()
    return {
        "blocked": blocked,
        "dead": dead,
        "parked": parked,
        "unsent": unsent,
        "waiting": len(blocked) + len(dead) + len(parked) + len(unsent),
        "unfinished": unfinished,
        "unfinished_total": unfinished_total,
        "health": [(called, _healthy(asked[f"health_{name}"].value)) for name, called in names().items()],
        "problems": list(dict.fromkeys(each.problem for each in asked.values() if each.problem)),
        "charts": [_drawn(each) for each in sampling.charts(sampling.sampler().samples())],
    }


def _asked(client: orderpay.Client) -> dict[str, Asked[Any]]:
    """All questions side by side: a service that is away costs the page its time once."""
    questions: dict[str, tuple[Callable[[], Any], str]] = {
        "blocked": (client.payments.blocked, "payments"),
        "dead_orders": (client.operations["orders"].dead_letters, "orders"),
        "dead_payments": (client.operations["payments"].dead_letters, "payments"),
        "parked": (client.operations["orders"].parked_messages, "orders"),
        "unfinished": (lambda: client.orders.page(1, per_page=UNFINISHED_SHOWN, unfinished_for=0), "orders"),
        **{f"health_{name}": (partial(client.health, name), name) for name in names()},
    }
    with ThreadPoolExecutor(len(questions) + 1) as pool:
        unsent = pool.submit(sent.dead)
        found = pool.map(lambda each: ask(each[0], of=each[1]), questions.values())
        return {**dict(zip(questions, found, strict=True)), "unsent": unsent.result()}


def _healthy(found: orderpay.Health | None) -> dict[str, Any]:
    if found is None:
        return {"word": words.Word("does not answer", "✕", "bad"), "circuits": ()}
    is_ok = found.status == "ok"
    word = words.Word("healthy", "✓", "good") if is_ok else words.Word("; ".join(found.checks.values()), "✕", "bad")
    circuits = [
        (name.replace("_", " "), words.CIRCUITS.get(state, words.state(state)))
        for name, state in found.downstreams.items()
    ]
    return {"word": word, "circuits": circuits}


def _drawn(chart: sampling.Chart) -> dict[str, Any]:
    values = [value for line in chart.lines for value in line.values if value is not None]
    top = max(values, default=0.0)
    return {
        "chart": chart,
        "top": f"{top:g}",
        "lines": [(line, sampling.points(line, top=top)) for line in chart.lines],
        "data": [list(chart.times), *[list(line.values) for line in chart.lines]],
        "has_figures": bool(values),
    }
