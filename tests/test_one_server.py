"""Every way to start a service goes through the one place that has the server's settings."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STARTED = "servicekit.server"
# Whose name stands for the server itself: its pins, the place that starts it, words about it, and the floor, which is
# no service: bare Python on the same server.
MAY_NAME_IT = re.compile(
    r"requirements.*\.(in|txt)|servicekit/(server|runtime/listening)\.py|benchmarks/against_floor\.py|.*\.md"
    r"|tests/test_one_server\.py|servicekit/tests/test_fastpath\.py"
)


def files() -> list[str]:
    """Everything that is kept in git, or is about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_nothing_else_starts_the_server_or_sets_it_up() -> None:
    """Neither a Procfile nor an image, a compose file, a chart, a script or a test names it."""
    named = {
        name
        for name in files()
        if not MAY_NAME_IT.fullmatch(name)
        and re.search(rb"granian(?!\" not in)", (ROOT / name).read_bytes(), re.IGNORECASE)
    }
    assert named == set()


@pytest.mark.parametrize("service", ["order_service", "payment_service", "product_stub"])
def test_each_way_starts_it(service: str) -> None:
    """`make run`, the image and the tests."""
    assert re.search(rf"python -m {STARTED} {service} --port \d{{4}}\n", (ROOT / "Procfile").read_text())
    assert f'CMD ["sh", "-c", "exec python -m {STARTED} \\"$SERVICE\\""]\n' in (ROOT / "Dockerfile").read_text()
    assert f'"-m", "{STARTED}"' in (ROOT / "tests" / "stack.py").read_text()
