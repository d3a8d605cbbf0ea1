"""Where the admin is; for those who have none, too."""

from typing import Final

ADMIN_PATH: Final = "/admin/"
