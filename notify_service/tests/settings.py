"""The settings of its tests: by the environment alone, whatever a user has in the .env beside manage.py."""

import os

os.environ["ENV_FILE"] = ""

from notify_service.settings import *  # noqa: F403
