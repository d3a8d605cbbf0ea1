"""The settings as they are, and the gateway."""

from payment_service.settings import *  # noqa: F403
from payment_service.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "payment_service.tests.one_more_gateway"]
