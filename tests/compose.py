"""The compose files as the one configuration that they come to: read by `docker-compose`, or by ourselves where it is
not installed. Ours knows what our files use: merging, `extends`, variables, and those that are handed on by their name.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
DEMO: Final = ("docker-compose.yml", "docker-compose.override.yml")
ON_MYSQL: Final = (*DEMO, "docker-compose.mysql.yml")
WATCHED: Final = ("docker-compose.yml", "docker-compose.observability.yml")
FULL: Final = ("docker-compose.yml", "docker-compose.full.yml")
# Lists of which a second file's are added to the first's; others take the place of the first's.
_ADDED: Final = frozenset({"ports", "volumes"})
_PARTS: Final = ("services", "networks", "volumes", "secrets")
_VARIABLE: Final = re.compile(r"\$(?:(\$)|\{([A-Z_]+)(?::([-?])([^}]*))?\})")


class Refused(Exception):
    """There is no configuration, and why not."""


def by_docker_compose(files: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any]:
    """What `docker-compose config` prints."""
    named = [part for name in files for part in ("-f", str(ROOT / name))]
    with tempfile.NamedTemporaryFile() as empty:  # in place of the user's own .env, whose values would count as well
        done = subprocess.run(
            ["docker-compose", *named, "--env-file", empty.name, "config"],
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise Refused(done.stderr)
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


def by_ourselves(files: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any]:
    """The same, as far as our files need it."""
    found: dict[str, Any] = {}
    for name in files:
        found = _merged(found, _read(ROOT / name, variables))
    return found


class _StrictLoader(yaml.SafeLoader):
    """Takes no key twice, as Docker Compose 2 does not; PyYAML, and the docker-compose before it, keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"more than once: {twice}", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def _read(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    read = yaml.load(path.read_text(), Loader=_StrictLoader)
    kept = {name: _filled(read[name], variables) for name in _PARTS if name in read}
    for name, service in kept["services"].items():
        for variable, value in service.get("environment", {}).items():
            if value is None:
                service["environment"][variable] = variables.get(variable)
        if parent := service.pop("extends", None):
            kept["services"][name] = _merged(
                _read(ROOT / parent["file"], variables)["services"][parent["service"]], service
            )
    return kept


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with its variables in place."""
    if isinstance(value, dict):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        escaped, name, kind, text = match.groups()
        if escaped:
            return escaped
        given = variables.get(name, "")
        if not given and kind == "?":
            raise Refused(f"{name}: {text}")
        return given or text or ""

    return _VARIABLE.sub(fill, value)


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for key, value in second.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        elif key in _ADDED and isinstance(value, list):
            merged[key] = [*merged.get(key, []), *value]
        else:
            merged[key] = value
    return merged
