"""Starts Python processes without the second that loading the libraries takes: they are loaded here, once.

`python -m tests.forkserver` reads a command from its standard input, one JSON object a line, and answers with one line:
`start` forks a process that does what `python` does with `argv`, `poll` says how it ended, `terminate` asks it to end.
Only what needs no settings is loaded, so that a process still reads every setting and every module of ours by itself.
"""

import gc
import importlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any, Final

from tests.children import Children

# The libraries that take the longest. Not the Prometheus client: it reads the environment when it is loaded.
LIBRARIES: Final = (
    "aiohttp",
    "corsheaders.middleware",
    "django.contrib.admin.options",
    "django.contrib.admindocs.views",
    "django.contrib.staticfiles.finders",
    "django.core.handlers.wsgi",
    "django.core.mail",
    "django.core.management.commands.migrate",
    "django.db.backends.sqlite3.base",
    "django.test.client",
    "django.utils.feedgenerator",
    "environs",
    "httptools",
    "inflection",
    "jsonschema",
    "msgspec",
    "psycopg",
    "psycopg_pool",
    "requests",
    "rest_framework.authentication",
    "rest_framework.fields",
    "stripe",
    "structlog",
    "uritemplate",
    "whitenoise.middleware",
    "xml.etree.ElementTree",
    "yaml",
)


def main() -> None:
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    command = _serve()
    if command is not None:
        _become(command)
        _run(command["argv"])


def _serve() -> dict[str, Any] | None:
    """Do what is asked; in a process that is forked, return what it is to become. None: the end of the input."""
    children = Children()
    try:
        for line in sys.stdin:
            command: dict[str, Any] = json.loads(line)
            if command["do"] == "start":
                child = os.fork()
                if not child:
                    children.disown()
                    return command
                children.add(child)
                print(json.dumps(child), flush=True)
            else:
                print(json.dumps(children.answer(command)), flush=True)
    finally:
        children.kill()
    return None


def _become(command: dict[str, Any]) -> None:
    """A session, an environment and an output of its own."""
    os.setsid()
    os.environ.clear()
    os.environ.update(command["environment"])
    places = [(command["given"], os.O_RDONLY)]
    places += [(command[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in ("out", "err")]
    for number, (path, how) in enumerate(places):
        opened = os.open(path, how, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115


def _run(argv: list[str]) -> None:
    # The server's own worker processes must be forks of this one, to have what is loaded here.
    importlib.import_module("multiprocessing").set_start_method("fork", force=True)
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = argv
        sys.path[0] = str(Path(argv[0]).parent)
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
