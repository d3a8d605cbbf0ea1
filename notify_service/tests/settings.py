"""The settings of its tests: by the environment alone, whatever a user has in the .env beside manage.py."""

import os

os.environ["ENV_FILE"] = ""

from notify_service.settings import *  # noqa: F403

# The real one takes a tenth of a second on purpose, for each user that a test makes.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
