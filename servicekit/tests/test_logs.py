"""What is logged never decides what is answered."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
import structlog
from servicekit.observability import logs
logs.configure(service="x", level="INFO", as_json={as_json})
for number in range(100):
    structlog.get_logger().info("line", number=number, padding="x" * 1000)
print("went on", file=sys.stderr)
"""


def logging_to(path: Path, *, as_json: bool) -> str:
    """What a process has to say that logs a hundred lines into a file."""
    command = [sys.executable, "-c", PROGRAM.format(as_json=as_json)]
    with path.open("wb") as log:
        return subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.PIPE, text=True, check=False).stderr


@pytest.mark.parametrize("as_json", [True, False])
def test_a_full_disk_costs_lines_and_nothing_else(as_json: bool) -> None:
    """Into a device that is always full: more than any buffer holds, and the process goes on."""
    said = logging_to(Path("/dev/full"), as_json=as_json)
    assert said.startswith("went on\n")
    assert "Traceback" not in said


@pytest.mark.parametrize("as_json", [True, False])
def test_every_line_that_can_be_written_is(tmp_path: Path, as_json: bool) -> None:
    """In order, and complete."""
    assert logging_to(tmp_path / "log", as_json=as_json) == "went on\n"
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 100
    assert "99" in lines[-1]
