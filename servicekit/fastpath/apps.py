from django.apps import AppConfig

from servicekit import fastpath


class FastpathConfig(AppConfig):
    name = "servicekit.fastpath"
    label = "fastpath"

    def ready(self) -> None:
        fastpath.install()
