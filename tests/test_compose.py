"""What the compose files promise: nobody is root, nothing floats, nothing is open needlessly, no secret inside."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

import start
from tests import compose
from tests.compose import DEMO, FULL, ON_MYSQL, ROOT, WATCHED, Refused

READERS: Final = [compose.by_ourselves, *([compose.by_docker_compose] if shutil.which("docker-compose") else [])]
PORTS: Final = {"order-service": 8000, "product-stub": 8001, "payment-service": 8002}
OTHER_PORTS: Final = {"console": 8003, "notify-service": 8004}
OURS: Final = {name: name.replace("-", "_") for name in (*PORTS, *OTHER_PORTS)}
# What the page is known by where mails are asked for: not by `make run`, which sends none.
MAILS_KEY: Final = start.ServiceKey("console", "notify_service", "NOTIFY_KEY", ("mails:read",))
ON: Final[Mapping[str, Mapping[str, str]]] = {"mysql": {}, "postgresql": {"PAYMENTS_ENGINE": "postgresql"}}
PASSWORD: Final = {"MYSQL_PASSWORD": "s3cret"}
WAYS: Final = {
    "demo": (DEMO, {}),
    "payments on MySQL": (ON_MYSQL, PASSWORD),
    "watched": (WATCHED, {}),
    "full": (FULL, ON["mysql"]),
    "all on PostgreSQL": (FULL, ON["postgresql"]),
}

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


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def services(request: pytest.FixtureRequest, read: Callable[..., Configuration]) -> Configuration:
    """Every service of one way to start it."""
    found: Configuration = read(*request.param)["services"]
    return found


@pytest.fixture
def full(read: Callable[..., Configuration]) -> Configuration:
    return read(FULL, ON["mysql"])


def foreign(services: Configuration) -> Iterator[tuple[str, Configuration]]:
    return ((name, service) for name, service in services.items() if service["image"] not in OURS)


def own_images(services: Configuration) -> set[str]:
    return {service["image"] for service in services.values()} & set(OURS)


DOCKERFILE: Final = (ROOT / "Dockerfile").read_text()


def test_nobody_is_root(services: Configuration) -> None:
    """Our images say so themselves, others are told; none may gain anything."""
    users = {name: service.get("user", "root") for name, service in foreign(services)}
    assert "root" not in {str(user).partition(":")[0] for user in users.values()}
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if service["image"] in OURS:
            assert "\nUSER 10001\n" in DOCKERFILE
            assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"]), name


def test_images_are_pinned(services: Configuration) -> None:
    """Others' images by an exact version; ours are built here, on such a one and on packages by their hashes."""
    for name, service in foreign(services):
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", service["image"]), name
    assert re.findall(r"^ARG BASE=(.*)", DOCKERFILE, re.MULTILINE) == ["python:3.12.12-slim-bookworm"]
    assert re.findall(r"^FROM (.*)", DOCKERFILE, re.MULTILINE) == ["${BASE}"]
    assert re.findall(r"--requirement (.*)", DOCKERFILE) == ["requirements-image.txt"]
    assert "--require-hashes" in DOCKERFILE


def test_each_image_is_of_its_own_service(services: Configuration) -> None:
    """One Dockerfile for all of them; what it is built for is the folder of the image's name, and the port it has."""
    for name, service in services.items():
        if service["image"] in OURS:
            build = service["build"]
            assert build["dockerfile"] == "Dockerfile", name
            assert build["args"]["SERVICE"] == OURS[service["image"]], name
            assert str(build["args"].get("PORT")) == str({**PORTS, **OTHER_PORTS}[service["image"]]), name


def test_nothing_takes_all_of_a_machine(services: Configuration) -> None:
    """Everybody has a limit on memory, and on processes and threads."""
    for name, service in services.items():
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        # A number: docker-compose 1 does not start a container whose limit is a text.
        assert service["pids_limit"] in {256, 1024}, name


def ports_of(services: Configuration) -> list[str]:
    return sorted(re.sub("/tcp$", "", port) for service in services.values() for port in service.get("ports", []))


def test_the_demo_opens_its_ports_and_only_here(read: Callable[..., Configuration]) -> None:
    """The services' own and the page's, on the loopback address; and MySQL's where that is what is tried."""
    three = [f"127.0.0.1:{port}:{port}" for port in (*sorted(PORTS.values()), 8003)]
    assert ports_of(read(DEMO, {})["services"]) == three
    assert ports_of(read(ON_MYSQL, PASSWORD)["services"]) == ["127.0.0.1:3308:3306", *three]


def test_mysql_is_tried_with_one_command(read: Callable[..., Configuration]) -> None:
    """What .env.mysql.example names is what `docker-compose up` reads then; it asks for a password and has none."""
    example = (ROOT / ".env.mysql.example").read_text()
    assert f"\nCOMPOSE_FILE={':'.join(ON_MYSQL)}\nMYSQL_PASSWORD=\n" in example
    with pytest.raises(Refused, match=r"\.env\.mysql\.example"):
        read(ON_MYSQL, {})
    services = read(ON_MYSQL, PASSWORD)["services"]
    assert services["db"]["environment"] == {"MYSQL_DATABASE": "ecommerce", "MYSQL_ROOT_PASSWORD": "s3cret"}
    for name in ("payment-migrate", "payment-service", "payment-worker"):
        address = {key: services[name]["environment"][key] for key in ("MYSQL_HOST", "MYSQL_PASSWORD", "MYSQL_DB")}
        assert address == {"MYSQL_HOST": "db", "MYSQL_PASSWORD": "s3cret", "MYSQL_DB": "ecommerce"}
    assert "sample_payments.csv --if-empty" in str(services["payment-migrate"]["command"])


@pytest.mark.parametrize("engine", ON)
def test_the_full_one_opens_orders_and_the_way_to_pay(read: Callable[..., Configuration], engine: str) -> None:
    """Of the payment service only what the front lets through behind 8003, nothing of the stub; and the page."""
    published = {"front": ["127.0.0.1:8000:8000", "127.0.0.1:8002:8003"], "console": ["127.0.0.1:8003:8003"]}
    services = read(FULL, ON[engine])["services"]
    assert {name: ports_of({name: each}) for name, each in services.items() if "ports" in each} == published


def test_whoever_is_waited_for_says_when_he_is_ready(services: Configuration) -> None:
    """Everything waits for health or for a migration's end, and what it waits for has a health check."""
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if other.endswith("-migrate"):
                assert how["condition"] == "service_completed_successfully", (name, other)
            else:
                assert how["condition"] == "service_healthy", (name, other)
                waited_for = services[other]
                assert "test" in waited_for.get("healthcheck", {}) or "HEALTHCHECK" in DOCKERFILE


def test_each_database_is_migrated_once_before_anybody_uses_it(services: Configuration) -> None:
    """One migration for each service, which is not repeated, and which every other process of it waits for."""
    migrations = {name: service for name, service in services.items() if name.endswith("-migrate")}
    assert {service["image"] for service in migrations.values()} == own_images(services) - {"console"}  # it has none
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
    assert {service for service, _ in named} >= {OURS[image] for image in own_images(services) - {"console"}}
    for service, command in named:
        own, shared = (
            (ROOT / folder).glob(f"*/management/commands/{command}.py") for folder in (service, "servicekit")
        )
        assert command == "migrate" or [*own, *shared], command


def test_several_of_each_stand_behind_one_port(full: Configuration) -> None:
    """Two of each unless REPLICAS says otherwise, none of them published; whoever calls one goes by the front."""
    services = full["services"]
    assert {name: int(services[name]["scale"]) for name in PORTS} == dict.fromkeys(PORTS, 2)
    assert {name for name, service in services.items() if "ports" in service}.isdisjoint(PORTS)
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
    assert sorted(map(int, re.findall(r"bind :(\d+)", text))) == [*sorted(PORTS.values()), 8003]
    templates = re.findall(r"server-template (\S+) \d+ (\S+):(\d+)", text)
    assert {(name, int(port)) for name, host, port in templates if name == host} == set(PORTS.items())
    assert {int(status) for status in re.findall(r"http-error status (\d+) content-type application/json", text)} >= {
        502,
        503,
        504,
    }
    if haproxy := shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin"):
        subprocess.run([haproxy, "-c", "-q", "-f", str(ROOT / "compose" / "haproxy.cfg")], check=True)


def test_the_front_reads_the_largest_request_whole_before_a_replica_hears_of_it() -> None:
    """In bounded time, and with room for its head."""
    text = (ROOT / "compose" / "haproxy.cfg").read_text()
    assert "\n    option http-buffer-request\n    timeout http-request 10s\n" in text
    largest = re.search(r"^MAX_BODY_BYTES=(\d+)$", (ROOT / "order_service" / ".env.example").read_text(), re.MULTILINE)
    buffer = re.search(r"^    tune\.bufsize (\d+)$", text, re.MULTILINE)
    assert largest is not None
    assert buffer is not None
    assert int(buffer[1]) >= int(largest[1]) + 4_096


def test_the_front_lets_clients_pay_and_nothing_else() -> None:
    """What is published of the payment service is one path, by whichever name it is asked."""
    text = (ROOT / "compose" / "haproxy.cfg").read_text()
    (published,) = re.findall(r"^frontend pay\n((?: .*\n)+)", text, re.MULTILINE)
    assert [line.split()[0] for line in published.splitlines()] == ["bind", "http-request", "default_backend"]
    assert "return status 404 content-type application/json" in published
    assert "unless { path /pay /pay/ }\n" in published


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


def test_secrets_come_from_files(read: Callable[..., Configuration], tmp_path: Path) -> None:
    """Both sides of a password read the same file, which is given to nobody else; the environment has no secret."""
    subprocess.run([ROOT / "compose" / "make-secrets", tmp_path / "secrets"], check=True)
    written = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    for name, secret in written.items():
        assert re.fullmatch(r"[0-9a-f]{8}\.[0-9a-f]{48}" if name.startswith("key_of_") else "[0-9a-f]{48}", secret), (
            name
        )
    assert len(set(written.values())) == len(written)
    for engine in ON:
        found = read(FULL, ON[engine])
        assert {Path(secret["file"]).name: name for name, secret in found["secrets"].items()} == {
            name: name for name in written
        }
        for name, service in found["services"].items():
            files = {
                variable: value.removeprefix("/run/secrets/")
                for variable, value in service.get("environment", {}).items()
                if variable.endswith("_FILE")
            }
            secrets = service.get("secrets", [])
            given = sorted(str(each["source"] if isinstance(each, dict) else each) for each in secrets)
            taken = re.findall(r"--from-file /run/secrets/(\w+)", str(service.get("command", "")))
            assert given == sorted([*files.values(), *taken]), name
            own = name.partition("-")[0]
            assert all(secret.startswith((f"{own}_", f"key_of_{own}_")) for secret in files.values()), name
            assert all(secret.endswith(f"_at_{own}") or secret == f"{own}_password" for secret in taken), name
            named = [key for key, value in service.get("environment", {}).items() if value and is_secret(key)]
            assert named in ([], ["MYSQL_RANDOM_ROOT_PASSWORD"]), name
        users = [name for name, service in found["services"].items() if service.get("secrets")]
        assert {"order-db", "order-service", "payment-db", "payment-worker", "product-db", "product-stub"} < set(users)


@pytest.mark.parametrize("engine", ON)
def test_the_full_one_asks_for_keys_and_the_services_have_theirs(
    read: Callable[..., Configuration], engine: str
) -> None:
    """Each is made where it is asked for, before anybody asks, from the secret that its holder reads."""
    services = read(FULL, ON[engine])["services"]
    folders = {folder: image for image, folder in OURS.items()}
    for image in PORTS:
        assert {each["environment"]["API_AUTH"] for each in services.values() if each["image"] == image} == {"on"}
    for key in (*start.SERVICE_KEYS, *start.CONSOLE_KEYS, MAILS_KEY):
        holder = services[folders[key.holder]]["environment"][f"{key.variable}_FILE"]
        (migration,) = [
            each for name, each in services.items() if name.endswith("-migrate") and each["image"] == folders[key.at]
        ]
        command = " ".join(str(part) for part in migration["command"])
        made = f"keys create {key.name} --scope {','.join(key.scopes)} --from-file {holder} --if-missing"
        assert f"python {key.at}/manage.py {made}" in command
        assert f"python {key.at}/manage.py migrate && " in command


def test_mails_are_told_of_beside_the_consumer(full: Configuration) -> None:
    """By a server on the consumer's own database, published nowhere, where the page looks for it."""
    server, consumer = full["services"]["notify-api"], full["services"]["notify-service"]
    assert (server["image"], server["volumes"]) == (consumer["image"], consumer["volumes"])
    assert "servicekit.server notify_service" in str(server["command"])
    assert "disable" not in server.get("healthcheck", {})
    assert "ports" not in server
    url = full["services"]["console"]["environment"]["NOTIFY_URL"]
    assert url == f"http://notify-api:{OTHER_PORTS['notify-service']}/api/mails/"
    assert "notify-api" in server["environment"]["ALLOWED_HOSTS"].split(",")


def test_somebody_can_sign_in_at_the_page_of_the_full_one(read: Callable[..., Configuration], tmp_path: Path) -> None:
    """As admin, by what make-secrets wrote; whoever else CONSOLE_USERS names, too. It serves nobody without."""
    console = read(FULL, ON["mysql"])["services"]["console"]
    assert console["environment"]["CONSOLE_AUTH"] == "on"
    (tmp_path / "console_password").write_text("a secret\n")
    told = console["command"][-1].replace("/run/secrets", str(tmp_path)).replace("$$", "$")
    shown = told.replace("exec python -m servicekit.server console", "printenv CONSOLE_USERS")
    assert shown != told
    environment = {**os.environ, "PATH": f"{start.BIN}{os.pathsep}{os.environ['PATH']}", "CONSOLE_AUTH": "on"}
    command = ["sh", "-c", shown]
    users = {**environment, "CONSOLE_USERS": "ann:md5$x$y", "SERVER_HOST": "0.0.0.0"}
    printed = subprocess.run(command, env=users, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"admin:pbkdf2_sha256\$\d+\$\w+\$[^,]+,ann:md5\$x\$y\n", printed)
    (tmp_path / "console_password").unlink()
    refused = subprocess.run(command, env=users, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")


def test_the_demo_is_open_unless_it_is_told_otherwise(read: Callable[..., Configuration]) -> None:
    """It is on this machine only; its services say at the start that they are open to whoever reaches them."""
    for told, said in (({}, "off"), ({"API_AUTH": "on"}, "on")):
        services = read(DEMO, told)["services"]
        assert {services[image]["environment"]["API_AUTH"] for image in PORTS} == {said}


def is_secret(variable: str) -> bool:
    return bool(re.search(r"(PASSWORD|SECRET_KEY|API_KEY|SERVICE_KEY)$", variable))


def test_a_secret_that_is_there_stays(tmp_path: Path) -> None:
    """A database keeps the password that it was made with; nobody else comes into the folder."""
    (tmp_path / "order_db_password").write_text("as it was")
    for _ in range(2):
        subprocess.run([ROOT / "compose" / "make-secrets", tmp_path], check=True)
    assert (tmp_path / "order_db_password").read_text() == "as it was"
    assert (stat.S_IMODE(tmp_path.stat().st_mode), len(list(tmp_path.iterdir()))) == (0o700, 16)


# What a compose file says itself: where data is, who asks whom, and what the images have set.
OF_THE_FILES: Final = re.compile(
    r"DB_.*|MYSQL_.*|SQLITE_.*|KAFKA_.*|.*_FILE|.*_SERVICE_URL|DATA_DIR|PROMETHEUS_MULTIPROC_DIR|DEBUG|ENV_FILE"
    r"|ALLOWED_HOSTS|LOG_LEVEL|NOTIFY_URL|SERVER_.*|HEALTH_PORT|SECRET_KEY|ORDER_NOTICES|API_AUTH|CONSOLE_AUTH"
)


@pytest.mark.parametrize("files", [DEMO, FULL], ids=["demo", "full"])
def test_whatever_a_service_can_be_told_is_handed_on(read: Callable[..., Configuration], files: Sequence[str]) -> None:
    """Every variable of its .env.example, where it is set; one that is not set stays so."""
    for image, folder in OURS.items():
        example = (ROOT / folder / ".env.example").read_text()
        names = {
            name for name in re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE) if not OF_THE_FILES.fullmatch(name)
        }
        assert names
        unset, given = (read(files, told)["services"] for told in ({}, {name: f"told-{name}" for name in names}))
        for name, service in given.items():
            if service["image"] == image:
                told = {key: value for key, value in service["environment"].items() if key in names}
                assert told == {key: f"told-{key}" for key in names}, name
                assert {unset[name]["environment"][key] for key in names} == {None}, name


def test_processes_of_a_container_count_together(services: Configuration) -> None:
    """Several processes of a server share a folder that each container has to itself and that is empty at its start."""
    for image in PORTS:
        assert "\nENV PROMETHEUS_MULTIPROC_DIR=/tmp/metrics\n" in DOCKERFILE
        assert services[image]["tmpfs"] == ["/tmp"]
        assert "PROMETHEUS_MULTIPROC_DIR" not in services[image]["environment"]
