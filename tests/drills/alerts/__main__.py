"""`make drill-alerts`: each fault of a list is put into real services, and a real Prometheus tells of it by one alert.

Writes docs/drill-alerts.md. Ends with 1 where a fault was told by anything else, or not at all, or where something was
told before there was a fault.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from tests import brokers
from tests import stack as stacks
from tests.consuming import consumer_of
from tests.drills.alerts.faults import FAULTS, Fault, Scene
from tests.drills.alerts.watching import FASTER, Watch, watching
from tests.faults.faulty_proxy import faulty_proxy
from tests.observing import TOOL
from tests.stack import ROOT, SERVICES, Stack, wait_until

PAGE: Final = ROOT / "docs" / "drill-alerts.md"
# Services without a fault, before one is put in; then until it is told, and then for whatever else there is to tell.
QUIET_S: Final = 20.0
TOLD_WITHIN_S: Final = 120.0
AND_THEN_S: Final = 25.0
# Orders that are placed all the while.
EVERY_S: Final = 0.5
PREDICTABLE: Final = {"GATEWAY_SUCCESS_RATE": "1", "GATEWAY_DELAY_MS": "0"}
LINKS: Final = {
    "order->payment": ("order_service", "PAYMENT_SERVICE_URL", "payment_service", "/api/payments/"),
    "order->product": ("order_service", "PRODUCT_SERVICE_URL", "product_stub", "/api/products/"),
    "payment->order": ("payment_service", "ORDER_SERVICE_URL", "order_service", "/api/orders/"),
}


@dataclass(frozen=True)
class Result:
    """What was told of a fault, and after how long."""

    fault: Fault
    before: frozenset[str]
    told: frozenset[str]
    after_s: float
    suppressed: frozenset[str]

    @property
    def is_right(self) -> bool:
        return not self.before and self.told == {self.fault.alert}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make drill-alerts", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--only", default="", help="a pattern of the names of faults")
    parser.add_argument(
        "--at-once", type=int, default=3, help="how many faults at a time, each with services of its own"
    )
    given = parser.parse_args()
    chosen = [fault for fault in FAULTS if re.search(given.only, fault.name)]
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "migrated"
        template.mkdir()
        stacks.migrate(template)
        with ThreadPoolExecutor(given.at_once) as pool:
            numbered = enumerate(chosen)
            results = list(pool.map(lambda each: _drill(each[1], template, Path(folder) / str(each[0])), numbered))
    if chosen == list(FAULTS):
        PAGE.write_text(_page(results), encoding="utf-8")
    return 0 if all(result.is_right for result in results) else 1


def _drill(fault: Fault, template: Path, folder: Path) -> Result:
    folder.mkdir()
    with _scene(fault, template, folder) as scene, watching(scene.stack, folder) as watch:
        if not fault.is_quiet:
            scene.again_and_again(lambda _: scene.order(), every_s=EVERY_S)
        time.sleep(QUIET_S)
        before = frozenset(watch.told)
        began = time.monotonic()
        with scene.ending:
            fault.happen(scene)
            result = _result(fault, watch, before, began)
    words = "as it should" if result.is_right else f"WRONG: {sorted(result.told)}, before: {sorted(before)}"
    print(f"{fault.name}: {fault.alert} after {result.after_s:.0f} s, {words}", flush=True)
    return result


def _result(fault: Fault, watch: Watch, before: frozenset[str], began: float) -> Result:
    with suppress(TimeoutError):  # then it is not in what was told
        wait_until(lambda: fault.alert in watch.told, within_s=TOLD_WITHIN_S)
    time.sleep(AND_THEN_S)
    after_s = watch.told.get(fault.alert, began) - began
    return Result(fault, before, frozenset(watch.told) - before, after_s, frozenset(watch.suppressed()))


@contextmanager
def _scene(fault: Fault, template: Path, folder: Path) -> Iterator[Scene]:
    with ExitStack() as opened:
        links = {name: opened.enter_context(faulty_proxy()) for name in LINKS}
        topics = opened.enter_context(brokers.topics()) if fault.with_kafka else None
        settings: dict[str, dict[str, str]] = {
            name: {**PREDICTABLE, "PROMETHEUS_MULTIPROC_DIR": str(folder / f"counted-{name}")} for name in SERVICES
        }
        for name, told in (topics.settings() if topics else {}).items():
            settings.setdefault(name, {}).update(told)
            settings[name].pop("ORDER_NOTICES", None)
        for name, (service, variable, _, path) in LINKS.items():
            settings[service][variable] = links[name].url + path
        for name, more in fault.settings.items():
            settings[name].update(more)
        settings.pop("notify_service", None)
        stack = opened.enter_context(stacks.running_stack(template, folder, settings=settings, closed=False))
        for name, (*_, peer, _) in LINKS.items():
            links[name].target = stack.services[peer].url
        yield Scene(stack, links, _workers(stack, with_consumer=fault.with_kafka), topics, ExitStack())


def _workers(stack: Stack, *, with_consumer: bool) -> dict[str, stacks.Process]:
    workers = {name: stack.start_worker(name) for name in SERVICES}
    if with_consumer:
        workers["consumer"] = consumer_of(stack)
        workers["consumer"].start()
    return workers


_TEXT: Final = """\
# The alert drill

Made by `make drill-alerts`, not by hand. Each fault is put into services of its own that run and take orders, with a
real Prometheus and a real Alertmanager beside them, which read the rules and the routes of `observability/`. Told is
what Alertmanager sends to whoever is on call. What fires as well and follows from that is held back (`inhibit_rules`).

**Every time in the rules is {faster} times shorter here**: an alert that waits a minute waits five seconds, one that
looks at an hour looks at five minutes, an order is unfinished for too long after five seconds. The drill makes its
rules from those of `observability/rules`; shares and counts stay as they are.

{when} UTC: **{right} of {all} faults were told by exactly the alert that their runbook names**, and nothing was told in
the {quiet:.0f} s before each.

| Fault | Alert | Told | After | Fired as well, held back |
|---|---|---|---|---|
{rows}
"""


def _page(results: Sequence[Result]) -> str:
    rows = [
        f"| {each.fault.name} | [{each.fault.alert}](runbooks/{each.fault.alert}.md) | {_told(each)} "
        f"| {each.after_s:.0f} s | {', '.join(sorted(each.suppressed)) or 'none'} |"
        for each in results
    ]
    return _TEXT.format(
        faster=FASTER,
        when=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M}",
        right=sum(each.is_right for each in results),
        all=len(results),
        quiet=QUIET_S,
        rows="\n".join(rows),
    )


def _told(result: Result) -> str:
    if result.is_right:
        return "it alone"
    return ", ".join(sorted(result.told)) or "nothing"


if __name__ == "__main__":
    subprocess.run([TOOL, "fetch"], check=True)
    sys.exit(main())
