"""What the compose files promise: nobody is root, nothing floats, nothing is open needlessly, no secret inside."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pytest

from tests import compose
from tests.compose import DEMO, FULL, ROOT, Refused

READERS: Final = [compose.by_ourselves, *([compose.by_docker_compose] if shutil.which("docker-compose") else [])]
PORTS: Final = {"order-service": 8000, "product-stub": 8001, "payment-service": 8002}
OURS: Final = {name: name.replace("-", "_") for name in (*PORTS, "notify-service")}
EXAMPLE: Final = ROOT / ".env.full.example"
REQUIRED: Final = re.findall(r"^([A-Z_]+)=$", EXAMPLE.read_text(), re.MULTILINE)
SECRETS: Final = {name: f"secret-{name}" for name in REQUIRED}
ON: Final = {"mysql": SECRETS, "postgresql": {**SECRETS, "PAYMENTS_ENGINE": "postgresql"}}
WAYS: Final = {"demo": (DEMO, {}), "full": (FULL, ON["mysql"]), "all on PostgreSQL": (FULL, ON["postgresql"])}

Configuration = dict[str, Any]


@pytest.fixture(params=READERS, ids=lambda reader: reader.__name__, scope="module")
def read(request: pytest.FixtureRequest) -> Callable[..., Configuration]:
    """Everything below holds by `docker-compose config`, where that is there, and by our own reading of the files."""
    kept: dict[Any, Configuration] = {}

    def read_once(files: Sequence[str], variables: Mapping[str, str]) -> Configuration:
        asked = (tuple(files), tuple(variables.items()))
        if asked not in kept:
            kept[asked] = request.param(files, variables)
        return kept[asked]

    return read_once


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def services(request: pytest.FixtureRequest, read: Callable[..., Configuration]) -> Configuration:
    """Every service of one way to start it."""
    found: Configuration = read(*request.param)["services"]
    return found


@pytest.fixture
def full(read: Callable[..., Configuration]) -> Configuration:
    return read(FULL, SECRETS)


def foreign(services: Configuration) -> Iterator[tuple[str, Configuration]]:
    return ((name, service) for name, service in services.items() if service["image"] not in OURS)


def own_images(services: Configuration) -> set[str]:
    return {service["image"] for service in services.values()} & set(OURS)


def dockerfile(image: str) -> str:
    return (ROOT / OURS[image] / "Dockerfile").read_text()


def test_nobody_is_root(services: Configuration) -> None:
    """Our images say so themselves, others are told; none may gain anything."""
    users = {name: service.get("user", "root") for name, service in foreign(services)}
    assert "root" not in {str(user).partition(":")[0] for user in users.values()}
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if service["image"] in OURS:
            assert "\nUSER 10001\n" in dockerfile(service["image"])
            assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"]), name


def test_images_are_pinned(services: Configuration) -> None:
    """Others' images by an exact version; ours are built from this checkout."""
    for name, service in foreign(services):
        assert re.search(r":\d+\.\d+(\.\d+)?(-\w+)?$", service["image"]), name
    assert all(service["build"]["dockerfile"] for service in services.values() if service["image"] in OURS)


def test_only_three_ports_are_open_and_only_here(services: Configuration) -> None:
    """The services' own, on the loopback address."""
    published = [re.sub("/tcp$", "", port) for service in services.values() for port in service.get("ports", [])]
    assert sorted(published) == [f"127.0.0.1:{port}:{port}" for port in sorted(PORTS.values())]


def test_whoever_is_waited_for_says_when_he_is_ready(services: Configuration) -> None:
    """Everything waits for health or for a migration's end, and what it waits for has a health check."""
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if other.endswith("-migrate"):
                assert how["condition"] == "service_completed_successfully", (name, other)
            else:
                assert how["condition"] == "service_healthy", (name, other)
                waited_for = services[other]
                assert "test" in waited_for.get("healthcheck", {}) or "HEALTHCHECK" in dockerfile(waited_for["image"])


def test_each_database_is_migrated_once_before_anybody_uses_it(services: Configuration) -> None:
    """One migration for each service, which is not repeated, and which every other process of it waits for."""
    migrations = {name: service for name, service in services.items() if name.endswith("-migrate")}
    assert {service["image"] for service in migrations.values()} == own_images(services)
    for name, migration in migrations.items():
        assert (migration["restart"], migration.get("scale", 1)) == ("no", 1), name
        users = [each for each, service in services.items() if service["image"] == migration["image"] and each != name]
        assert users
        assert all(name in ancestors(services, each) for each in users)


def ancestors(services: Configuration, name: str) -> set[str]:
    """All that this one waits for, and what that waits for."""
    direct = services[name].get("depends_on", {})
    return set(direct).union(*(ancestors(services, each) for each in direct))


def test_every_command_is_one_that_there_is(services: Configuration) -> None:
    """A renamed command must not be found out by whoever starts it."""
    commands = [str(service.get("command", "")) for service in services.values()]
    named = [found for command in commands for found in re.findall(r"python (\w+)/manage\.py\s+(\w+)", command)]
    assert {service for service, _ in named} == {OURS[image] for image in own_images(services)}
    for service, command in named:
        assert command == "migrate" or list((ROOT / service).glob(f"*/management/commands/{command}.py")), command


def test_several_of_each_stand_behind_one_port(full: Configuration) -> None:
    """Two of each unless REPLICAS says otherwise, none of them published; whoever calls one goes by the front."""
    services = full["services"]
    assert {name: int(services[name]["scale"]) for name in PORTS} == dict.fromkeys(PORTS, 2)
    assert [name for name, service in services.items() if "ports" in service] == ["front"]
    urls = {
        value
        for each in services.values()
        for key, value in each.get("environment", {}).items()
        if key.endswith("_SERVICE_URL")
    }
    assert urls == {
        "http://front:8000/api/orders/",
        "http://front:8001/api/products/",
        "http://front:8002/api/payments/",
    }
    assert all(
        "front" in service["environment"]["ALLOWED_HOSTS"] for service in services.values() if service["image"] in PORTS
    )


def test_the_front_knows_every_service_by_its_port() -> None:
    """What it listens on, and whom it asks, are the services' ports; it says its own errors in JSON."""
    text = (ROOT / "compose" / "haproxy.cfg").read_text()
    assert sorted(map(int, re.findall(r"bind :(\d+)", text))) == sorted(PORTS.values())
    templates = re.findall(r"server-template (\S+) \d+ (\S+):(\d+)", text)
    assert {(name, int(port)) for name, host, port in templates if name == host} == set(PORTS.items())
    assert {int(status) for status in re.findall(r"http-error status (\d+) content-type application/json", text)} >= {
        502,
        503,
        504,
    }
    if haproxy := shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin"):
        subprocess.run([haproxy, "-c", "-q", "-f", str(ROOT / "compose" / "haproxy.cfg")], check=True)


@pytest.mark.parametrize(("engine", "image"), [("mysql", "mysql"), ("postgresql", "postgres")])
def test_payments_may_be_on_either_server(read: Callable[..., Configuration], engine: str, image: str) -> None:
    """PAYMENTS_ENGINE picks server, driver and volume together; everything else is on PostgreSQL."""
    services = read(FULL, ON[engine])["services"]
    servers = {name: service["image"].partition(":")[0] for name, service in services.items() if name.endswith("-db")}
    assert servers == {"order-db": "postgres", "product-db": "postgres", "payment-db": image}
    assert services["payment-service"]["environment"]["DB_ENGINE"] == f"django.db.backends.{engine}"
    assert services["payment-db"]["volumes"][0].startswith(f"payment-{engine}:")


def test_a_database_is_reached_by_its_own_service_only(full: Configuration) -> None:
    """Each server is in a network without a way out, with nobody but its service; its data is in its own volume."""
    services = full["services"]
    for server in ("order-db", "payment-db", "product-db"):
        assert full["networks"][server] == {"internal": True}
        inside = {name for name, service in services.items() if server in service.get("networks", ["default"])}
        assert {name for name in inside if not name.startswith(server.removesuffix("-db"))} == set()
        assert list(services[server]["networks"]) == [server]
        ((volume, *_),) = [mount.split(":") for mount in services[server]["volumes"]]
        assert volume in full["volumes"]


def test_secrets_come_from_outside(read: Callable[..., Configuration]) -> None:
    """Nothing starts without any one of them; both sides of a password are the one that was given."""
    texts = [(ROOT / name).read_text() for name in (*FULL, "compose/databases.yml")]
    assert {name for text in texts for name in re.findall(r"\$\{([A-Z_]+):\?", text)} == set(REQUIRED)
    with pytest.raises(Refused, match=r"\.env\.full\.example"):
        read(FULL, {})
    for engine in ("mysql", "postgresql"):
        services = read(FULL, ON[engine])["services"]
        given = [
            (name, key, value)
            for name, service in services.items()
            for key, value in service.get("environment", {}).items()
            if re.search("PASSWORD|SECRET", key) and key != "MYSQL_RANDOM_ROOT_PASSWORD"
        ]
        assert {value for _, _, value in given} == set(SECRETS.values())
        for name, _, value in given:
            assert value.removeprefix("secret-").startswith(name.partition("-")[0].upper()), name


def test_processes_of_a_container_count_together(services: Configuration) -> None:
    """Several granian workers share a folder that each container has to itself and that is empty at its start."""
    for image in PORTS:
        assert "\nENV PROMETHEUS_MULTIPROC_DIR=/tmp/metrics\n" in dockerfile(image)
        assert services[image]["tmpfs"] == ["/tmp"]
        assert "PROMETHEUS_MULTIPROC_DIR" not in services[image]["environment"]
