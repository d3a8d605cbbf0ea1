"""What `make run` decides before it starts anything, and how it keeps running what it has started."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

import start
from tests.stack import wait_until

# Supervises two parts that do nothing, beside those of whoever develops on this machine.
SCRIPT = """
import os, sys
from pathlib import Path
import start
commands = {"order": "exec sleep 1000", "payment": sys.argv[2]}
supervisor = start.Supervisor(commands, os.environ, control=Path(sys.argv[1]), places={}, announce=lambda: True)
sys.exit(supervisor.run())
"""


class Run:
    """A supervisor that runs, with what it says."""

    def __init__(self, folder: Path, payment: str) -> None:
        self.said = folder / "said"
        with self.said.open("wb") as said:
            command = [sys.executable, "-c", SCRIPT, str(start.CONTROL), payment]
            self.process = subprocess.Popen(command, cwd=start.ROOT, stdout=said, stderr=said)

    def started(self, part: str, *, times: int = 1) -> int:
        """The number of its process, when it has been started so often."""

        def find() -> int | None:
            numbers = re.findall(rf"^{part} is started \((\d+)\)$", self.said.read_text(), re.MULTILINE)
            return int(numbers[times - 1]) if len(numbers) >= times else None

        number: int = wait_until(find)
        return number


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Run]]:
    monkeypatch.setattr(start, "CONTROL", tmp_path / "control")
    running: list[Run] = []

    def begin(payment: str = "exec sleep 1000") -> Run:
        running.append(Run(tmp_path, payment))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait()


def is_there(number: int) -> bool:
    return (Path("/proc") / str(number)).exists()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_part_is_stopped_and_started_while_the_others_go_on(run: Callable[..., Run], how: str) -> None:
    """As often as somebody likes; then all end together, and that is success."""
    running = run()
    order, payment = running.started("order"), running.started("payment")
    assert start.ask(how, "payment") == 0
    assert (is_there(payment), is_there(order)) == (False, True)
    assert start.ask("start", "payment") == 0
    again = running.started("payment", times=2)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait() == 0
    assert not is_there(order)
    assert not is_there(again)


def test_a_part_that_stops_by_itself_ends_all(run: Callable[..., Run]) -> None:
    """With its status, so that nobody goes on with half of it unawares."""
    running = run("sleep 0.5; exit 7")
    order = running.started("order")
    assert running.process.wait() == 7
    assert not is_there(order)
    assert "payment has stopped by itself" in running.said.read_text()


def test_the_parts_end_with_a_supervisor_that_is_killed(run: Callable[..., Run]) -> None:
    """So that it can be started again at once: nobody holds the ports."""
    running = run()
    parts = running.started("order"), running.started("payment")
    running.process.kill()
    wait_until(lambda: not any(map(is_there, parts)))


def test_only_a_part_of_something_that_runs_can_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anything else is said in a sentence."""
    monkeypatch.setattr(start, "CONTROL", tmp_path / "nothing")
    assert (start.ask("stop", "payment"), start.ask("stop", "pay")) == (1, 2)
    said = capsys.readouterr().err
    assert "Nothing runs here" in said
    assert "There is no part 'pay'; there are product, payment, order," in said


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


def test_every_part_gets_the_keys_of_its_service_and_no_other() -> None:
    """The worker the same as its server."""
    parts = parse_procfile((start.ROOT / "Procfile").read_text()).processes
    assert set(start.PARTS) == set(parts)
    for part in ("order", "order-worker"):
        assert start.keys_of(part) == {
            "PRODUCT_SERVICE_KEY_FILE": str(start.ROOT / ".keys" / "order_service-at-product_stub"),
            "PAYMENT_SERVICE_KEY_FILE": str(start.ROOT / ".keys" / "order_service-at-payment_service"),
        }
    for part in ("payment", "payment-worker"):
        assert start.keys_of(part) == {
            "ORDER_SERVICE_KEY_FILE": str(start.ROOT / ".keys" / "payment_service-at-order_service")
        }
    assert set(start.keys_of("console")) == {
        "ORDER_SERVICE_KEY_FILE",
        "PAYMENT_SERVICE_KEY_FILE",
        "PRODUCT_SERVICE_KEY_FILE",
    }
    for part in ("product", "product-worker"):
        assert start.keys_of(part) == {
            "ORDER_SERVICE_KEY_FILE": str(start.ROOT / ".keys" / "product_stub-at-order_service")
        }


@pytest.mark.parametrize(
    ("said", "is_closed"), [(None, False), ("", False), ("off", False), ("on", True), (" ON ", True)]
)
def test_keys_are_asked_for_where_that_is_said(said: str | None, is_closed: bool) -> None:
    """`make run` is open otherwise, and says so."""
    assert start.is_closed({} if said is None else {"API_AUTH": said}) is is_closed


def test_a_single_part_is_told_what_others_are_not(tmp_path: Path) -> None:
    """Beside what all are told."""
    told = "printf '%s %s' $ALL $OWN > $OWN_FOLDER/$PART; exec sleep 1000"
    script = f"""
import os
from pathlib import Path
import start
commands = {{"order": "PART=order; {told}", "payment": "PART=payment; {told}"}}
folder = Path({str(tmp_path)!r})
start.Supervisor(
    commands, {{**os.environ, "ALL": "all", "OWN_FOLDER": str(folder)}}, control=folder / "control", places={{}},
    announce=lambda: True, own={{"payment": {{"OWN": "payments"}}}},
).run()
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=start.ROOT) as running:
        said = {part: tmp_path / part for part in ("order", "payment")}
        wait_until(lambda: all(path.exists() and path.read_text() for path in said.values()))
        running.send_signal(signal.SIGTERM)
    assert {part: path.read_text().strip() for part, path in said.items()} == {
        "order": "all",
        "payment": "all payments",
    }
