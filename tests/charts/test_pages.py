"""What the pages have kubectl ask for: each is in the cluster by that name, when everything is installed."""

import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.charts.rendering import ROOT, Object, containers, example, named, render

PAGES: Final = [ROOT / "docs" / "kubernetes.md", *sorted((ROOT / "docs" / "runbooks").glob("*.md"))]
COMMAND: Final = re.compile(r"kubectl (?:--namespace shop )?(exec|port-forward|logs|get secret) ([^`\n|\"]*)")
SERVICES: Final = ("order-service", "payment-service", "product-stub")


def asked() -> Iterator[tuple[str, str]]:
    """What is done, and the rest of the command; `{host}` is each of the services."""
    for page in PAGES:
        for verb, rest in COMMAND.findall(page.read_text(encoding="utf-8")):
            for service in SERVICES if "{host}" in rest else [""]:
                yield verb, rest.replace("{host}", service)


ASKED: Final = sorted(set(asked()))


@pytest.fixture(scope="module")
def everything() -> list[Object]:
    return render("shop", example("everything"))


def pod_of(objects: list[Object], target: str) -> Object:
    kind, _, name = target.partition("/")
    assert kind in ("deploy", "deployment"), target
    pod: Object = named(objects, "Deployment", name)["spec"]["template"]["spec"]
    return pod


def test_there_are_commands() -> None:
    assert {verb for verb, _ in ASKED} >= {"exec", "port-forward", "get secret"}
    assert len([rest for verb, rest in ASKED if verb == "exec"]) >= 5


@pytest.mark.parametrize("rest", [rest for verb, rest in ASKED if verb == "exec"])
def test_a_command_is_run_in_a_container_that_is_there(rest: str, everything: list[Object]) -> None:
    match = re.match(r"(\S+) -c (\S+) -- ", rest)
    assert match, rest
    assert match[2] in {each["name"] for each in containers(pod_of(everything, match[1]))}
    if folder := re.search(r"python (\w+)/manage\.py", rest):
        assert match[1].endswith(folder[1].replace("_", "-"))


@pytest.mark.parametrize("rest", [rest for verb, rest in ASKED if verb == "port-forward"])
def test_a_port_is_one_of_its_target(rest: str, everything: list[Object]) -> None:
    target, ports = rest.split()[:2]
    port = int(ports.rpartition(":")[2])
    if target.startswith("service/"):
        service = named(everything, "Service", target.removeprefix("service/"))
        assert port in {each["port"] for each in service["spec"]["ports"]}
    else:
        found = [each for container in containers(pod_of(everything, target)) for each in container.get("ports", [])]
        assert port in {each["containerPort"] for each in found}


@pytest.mark.parametrize("rest", [rest for verb, rest in ASKED if verb == "get secret"])
def test_a_key_is_in_the_secret_that_the_shop_makes(rest: str) -> None:
    match = re.match(r"(\S+) --output 'jsonpath=\{\.data\.(\S+)\}'", rest)
    assert match, rest
    assert match[2] in named(render("shop"), "Secret", match[1])["data"]


def test_on_sqlite_all_are_containers_of_one_pod() -> None:
    values = {"kafka": {"bootstrapServers": "kafka:9092"}, "consumer": {"enabled": True}}
    pod = pod_of(render("order-service", values), "deploy/shop-order-service")
    assert [each["name"] for each in pod["containers"]] == ["web", "worker", "consumer"]
