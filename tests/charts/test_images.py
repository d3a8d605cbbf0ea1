"""`make images`: what is asked of docker, and what is said of what is in an image. The engine itself is a stand-in."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.charts.rendering import ROOT, render

SERVICES: Final = ("order-service", "payment-service", "product-stub", "notify-service")
BASE: Final = f"python@sha256:{'b' * 64}"
DIGEST: Final = f"sha256:{'a' * 64}"
# Writes down what it is asked; knows the base by its digest, and an image that was pushed by another.
DOCKER: Final = f"""#!/bin/sh
echo "$*" >>"$ASKED"
case "$*" in
*RepoDigests*'index'*) echo {BASE} ;;
*RepoDigests*) for image; do :; done; echo "${{image%:*}}@{DIGEST}" ;;
*Id*) echo sha256:1d ;;
esac
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """What docker was asked, and the folder that was written."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    told = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "ASKED": str(folder / "asked"),
        "DIST": str(folder / "dist"),
        "REGISTRY": "registry.example.org/shop/",
        "PUSH": "1",
    }
    subprocess.run([ROOT / "scripts" / "images"], env={**os.environ, **told}, check=True, capture_output=True)
    return (folder / "asked").read_text().splitlines(), folder / "dist"


def test_all_are_built_on_one_base_that_is_named_by_its_digest(made: tuple[list[str], Path]) -> None:
    built = [line for line in made[0] if line.startswith("build ")]
    assert len(built) == len(SERVICES)
    assert all(f"--build-arg BASE={BASE} " in line for line in built)
    tags = {match[1] for line in built if (match := re.search(r"--tag (\S+)", line))}
    assert tags == {f"registry.example.org/shop/{name}:0.1.0" for name in SERVICES}


def test_it_says_which_packages_are_in_them(made: tuple[list[str], Path]) -> None:
    """Every pin; all images have the same."""
    pins = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements-image.txt").read_text(), re.MULTILINE))
    found = json.loads((made[1] / "packages.cdx.json").read_text())
    assert found["bomFormat"] == "CycloneDX"
    assert {each["name"] for each in found["components"]} == pins


def test_what_was_pushed_is_installed_by_its_digest(made: tuple[list[str], Path]) -> None:
    values = yaml.safe_load((made[1] / "values.yaml").read_text())
    found = render("shop", values)
    images = {
        container["image"]
        for each in found
        if each["kind"] == "Deployment"
        for container in each["spec"]["template"]["spec"]["containers"]
    }
    assert images == {f"registry.example.org/shop/{name}@{DIGEST}" for name in SERVICES[:3]}
