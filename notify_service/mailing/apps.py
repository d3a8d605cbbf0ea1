from importlib import import_module

from django.apps import AppConfig


class MailingConfig(AppConfig):
    name = "notify_service.mailing"
    label = "mailing"

    def ready(self) -> None:
        import_module("notify_service.mailing.ops.admin")  # registers its pages
