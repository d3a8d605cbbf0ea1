from importlib import import_module

from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "servicekit.inbox"
    label = "inbox"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("servicekit.settings.checks")  # registers it
