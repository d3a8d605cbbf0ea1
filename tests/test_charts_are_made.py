"""What is made of the charts is what would be made now; needs no helm."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
HELM: Final = ROOT / "helm"
BASE: Final = ROOT / "servicekit" / "settings" / "base.py"
CHARTS: Final = ("service", "order-service", "payment-service", "product-stub", "notify-service", "shop")


def test_values_schemas_readmes_alerts_and_dashboards_are_current() -> None:
    """Each says `scripts/charts generate` where it is not."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "charts", "check"], capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("chart", CHARTS)
def test_all_charts_have_one_version_and_the_services_own(chart: str) -> None:
    about = yaml.safe_load((HELM / chart / "Chart.yaml").read_text())
    newest = yaml.safe_load((HELM / "shop" / "Chart.yaml").read_text())["version"]
    assert about["version"] == newest
    own = re.search(r'^VERSION: Final = "(.+)"$', BASE.read_text(), re.MULTILINE)
    assert own is not None
    assert about.get("appVersion", own[1]) == own[1]
    assert {each["version"] for each in about.get("dependencies", [])} <= {newest}
    assert f"## 0.1 to {newest.rpartition('.')[0]}\n" in (HELM / "UPGRADING.md").read_text()


def test_the_version_before_is_there_to_upgrade_from() -> None:
    for chart in CHARTS[1:]:
        with tarfile.open(HELM / "released" / f"{chart}-0.1.0.tgz") as packed:
            about = packed.extractfile(f"{chart}/Chart.yaml")
            assert about is not None
            assert yaml.safe_load(about.read())["version"] == "0.1.0"
