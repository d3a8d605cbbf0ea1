from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "servicekit.apikeys"
    label = "apikeys"
    verbose_name = "API keys"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from servicekit.apikeys import checks  # noqa: F401, PLC0415 - it registers them
