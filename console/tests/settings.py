"""The settings of its tests: by the environment alone, whatever a user has in the .env beside manage.py."""

import os

os.environ["ENV_FILE"] = ""
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)

from console.settings import *  # noqa: F403

# The real one takes a tenth of a second on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
