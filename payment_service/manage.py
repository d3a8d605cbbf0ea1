#!/usr/bin/env python3
"""The payment service's command line: `python payment_service/manage.py help`, from any folder."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line
from django.db import OperationalError
from environs import EnvError


def main() -> None:
    # The repository's root in place of this folder, so that each module has one name wherever this is started.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payment_service.settings")
    try:
        execute_from_command_line(sys.argv)
    except (EnvError, OperationalError) as problem:
        # A variable that cannot be used, a database that cannot be reached: that is one sentence.
        if "--traceback" in sys.argv:
            raise
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
