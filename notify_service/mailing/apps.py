from django.apps import AppConfig


class MailingConfig(AppConfig):
    name = "notify_service.mailing"
    label = "mailing"
