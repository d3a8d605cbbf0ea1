from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import pre_migrate


class StorageConfig(AppConfig):
    name = "servicekit.storage"
    label = "storage"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("servicekit.storage.checks")  # registers them
        pre_migrate.connect(_say_which, sender=self)


def _say_which(*, verbosity: int, using: str, **_: Any) -> None:
    if verbosity > 0:
        import_module("servicekit.storage.naming").say_which(using)
